"""Speech -> transcript n-best with scores, segments and per-token log-probabilities."""
