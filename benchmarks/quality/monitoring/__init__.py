"""Is it still as good? Sequential tests, alarms without references, words that are not in the sound."""
