"""Files and what is in them: names, digests, limits, JSON, YAML, redaction."""
