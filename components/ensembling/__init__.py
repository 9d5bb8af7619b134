"""Ensembles: several models mixed at every token of one search, or combined by their finished outputs."""
