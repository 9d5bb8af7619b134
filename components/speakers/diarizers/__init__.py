"""Diarizers: who speaks when in a recording. A model is read by the first of them that takes it."""
