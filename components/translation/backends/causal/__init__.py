"""``causal``: prompted decoder-only models."""
