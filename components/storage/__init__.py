"""The content-addressed store of stages and runs, in a local folder or on object storage."""
