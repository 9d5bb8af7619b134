"""One file per flow: its parameters, the flow, and `python -m flows.<name>`."""
