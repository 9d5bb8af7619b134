"""The Prefect server of a run: its settings, and a server that ends with the run."""
