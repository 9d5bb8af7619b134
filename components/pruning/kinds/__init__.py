"""The kind of node that prunes a model."""
