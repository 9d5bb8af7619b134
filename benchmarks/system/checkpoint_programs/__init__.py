"""The chain of :mod:`benchmarks.system.checkpoint` as programs of other systems; each runs alone."""
