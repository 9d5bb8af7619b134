"""Words and segments of Whisper's output, with times."""
