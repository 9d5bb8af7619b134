"""``deliberation``: models that write a second pass over a first."""
