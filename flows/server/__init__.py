"""The Prefect server of a run: its settings, a server that ends with the run, and what guards it."""
