"""The questions: one file for each family of comparisons."""
