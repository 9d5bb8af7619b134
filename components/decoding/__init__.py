"""Step-synchronous search over one or many members: greedy, beam, sampling, forced decoding."""
