"""A graph behind the OpenAI endpoints: batches across requests, kept requests, a graph in the shadow."""
