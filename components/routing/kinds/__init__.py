"""Kinds of nodes that send utterances to branches, and learn which."""
