"""Subtitles: cues, where they break, rules for reading speed."""
