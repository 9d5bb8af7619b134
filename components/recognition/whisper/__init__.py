"""Whisper's machinery, whatever library holds the weights: windows of 30 s, batches, temperature fallback, timestamps, n-best lists."""
