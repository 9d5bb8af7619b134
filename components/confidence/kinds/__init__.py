"""Kinds of nodes that fit and apply confidence estimators."""
