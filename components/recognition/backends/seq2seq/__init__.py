"""``seq2seq``: encoder-decoders of speech beside Whisper."""
