"""Shards: one object for a slice of a stage, sealed in itself, made whole or not at all."""
