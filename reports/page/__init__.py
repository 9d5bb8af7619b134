"""The HTML report of a run: one file that opens from disk, with its data and audio inside or beside it."""
