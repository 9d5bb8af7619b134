"""``whisper``: our batched decoding of Whisper."""
