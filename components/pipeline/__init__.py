"""The pipeline as data: named nodes, what each reads, and what is scored."""
