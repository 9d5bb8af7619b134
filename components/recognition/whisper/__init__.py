"""Whisper, whatever library holds the weights: windows of 30 s, batches, fallback, timestamps, n-best."""
