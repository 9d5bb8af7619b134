"""One file per flow: its parameters, the flow, and `python -m flows.<name>`."""

from flows.server import settings  # first: Prefect reads its settings when it is imported

__all__ = ["settings"]
