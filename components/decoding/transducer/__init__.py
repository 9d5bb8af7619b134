"""Transducers (RNN-T and TDT): frame-synchronous greedy and beam search over alignments."""
