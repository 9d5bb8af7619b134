"""Step-synchronous search over one or many token scorers: greedy, beam, sampling, forced decoding."""
