"""From files and flags to checked parameters of a run."""
