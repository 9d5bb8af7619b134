"""Word and character error rates, of segments, turns and meetings."""
