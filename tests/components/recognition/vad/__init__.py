"""Tests of voice activity detection and of the windows cut at pauses."""
