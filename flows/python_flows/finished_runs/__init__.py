"""Finished runs as flows take them up again: opened for one more stage, attributed, repeated."""
