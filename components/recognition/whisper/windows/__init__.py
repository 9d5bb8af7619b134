"""Windows of audio: opening, features, padding, encoding, decoding."""
