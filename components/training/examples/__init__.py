"""Training examples: readers, vocabularies, batches, their order."""
