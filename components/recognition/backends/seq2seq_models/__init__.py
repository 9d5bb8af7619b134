"""Backends for encoder-decoder and audio language models of transformers."""
