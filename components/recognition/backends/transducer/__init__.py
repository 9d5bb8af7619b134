"""``transducer``: models that write tokens while they walk over the frames of speech."""
