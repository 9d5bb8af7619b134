"""Normalization of texts before their words are compared: Whisper's, and that of the Open ASR Leaderboard."""
