"""Tracing experts, and removing or merging those that do little."""
