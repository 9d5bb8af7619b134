"""Texts that another program made, as the outputs of a system: read in its formats, joined to the data."""
