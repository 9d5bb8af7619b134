"""What each architecture needs to be searched: its scorer and its key-value cache (seq2seq, causal, Marian, Whisper)."""
