"""Prefect tasks: run the stages of a pipeline and its analyses, persist and log them, publish artifacts."""
