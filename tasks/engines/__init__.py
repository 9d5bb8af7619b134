"""Engines: how the shards of nodes are computed, in threads of this process or by Ray's workers."""
