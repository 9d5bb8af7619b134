"""Interpolation coefficients, a gating network or a strength, learned from development data."""
