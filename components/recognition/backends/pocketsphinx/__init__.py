"""``pocketsphinx``: a classical recognizer (extra ``sphinx``), and its models ``sphinx:NAME``."""
