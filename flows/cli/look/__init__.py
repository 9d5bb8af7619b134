"""Commands that show a run, and what runs print."""
