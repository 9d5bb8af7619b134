"""Statistics of texts under metrics, shard by shard: counted once, stored, and summed by whoever scores."""
