"""Recognizers of one window at a time: audio -> windows -> batches of any decoder -> n-best lists."""
