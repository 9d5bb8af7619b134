"""Kinds of nodes for models with experts: trained, upcycled, traced, reduced."""
