"""Analyses of finished stages, and the tables in which they are told; costs and outputs of finished runs."""
