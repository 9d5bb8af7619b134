"""Tests of Whisper's windows, fallback, segments and n-best lists."""
