"""A comparison, an error attribution and contributions as sentences, tables and sections, for the page and for the terminal."""
