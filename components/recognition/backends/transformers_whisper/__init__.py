"""``transformers``: a Whisper of the hub by transformers, behind our windows and search."""
