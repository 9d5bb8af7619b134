"""The one loop of all recognizers but Whisper's: audio -> windows -> batches of a decoder -> n-best lists."""
