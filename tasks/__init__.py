"""Prefect tasks: call a component on a batch, persist, log, publish artifacts."""
