"""Where models come from, a file per scheme of reference."""
