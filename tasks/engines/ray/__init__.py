"""The engine on Ray: one Ray Data job per segment of a graph, whose rows are shards."""
