"""Search over texts for members with different vocabularies."""
