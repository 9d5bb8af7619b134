"""Metrics that models compute: COMET, xCOMET, MetricX, BERTScore, cosine of sentence embeddings."""

version = 1
"""Part of the key of every stage that scores by a model: raised when scores change."""
