"""Streams of sound or text that are answered while they come, behind ``antiphon serve --simultaneous``."""
