"""Commands on what is kept: runs, store, models, data, campaigns."""
