"""Shards: their jobs, computation, tasks and components."""
