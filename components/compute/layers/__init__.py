"""Layers as models compute them here: linear ones with packed weights, and attention to what beams share."""
