"""Systems of which a claim speaks, outside of pipelines: their texts, scores and costs, decoded once."""
