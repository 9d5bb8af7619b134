"""The one loop of all recognizers but Whisper's: audio -> windows -> batches of any decoder -> n-best lists."""
