"""Keeping a store: what it holds, whether it is intact, what can go; runs renamed or taken elsewhere."""
