"""Training on several cards: processes, microbatches, ordered sums, compilation."""
