"""``ctc``: models that label the frames of speech."""
