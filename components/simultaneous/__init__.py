"""Cascades that answer while the speaker speaks: nodes get prefixes, policies say what is written."""
