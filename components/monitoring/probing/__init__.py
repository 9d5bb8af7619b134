"""Does a recognizer write what is not in the sound? Changed recordings, and what it writes of them."""
