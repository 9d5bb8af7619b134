"""``audio-lm``: audio language models."""
