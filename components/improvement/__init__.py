"""Remedies for the errors of a run: pipelines with one thing changed, and what is forecast of each."""
