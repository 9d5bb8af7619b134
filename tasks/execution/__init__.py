"""Runs the graph of a run as Prefect tasks: one thread per node, shard by shard, in lanes per device."""
