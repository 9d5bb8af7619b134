"""Claims of the field: what is compared, how a verdict follows, and the same on a user's own systems."""
