"""Task arithmetic: sparsified deltas, sign election, whole-model statistics."""
