"""Speech -> n-best transcripts with scores, segments and per-token log-probabilities, by any backend."""
