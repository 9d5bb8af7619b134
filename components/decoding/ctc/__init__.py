"""Connectionist temporal classification: time-synchronous search, forward probabilities, alignments."""
