"""The pipeline as data: its nodes, what each reads, which outputs are scored; and what is derived from it."""
