"""Encoder-decoder models by transformers, which our search decodes."""
