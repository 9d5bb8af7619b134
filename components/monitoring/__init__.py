"""Is it still as good? Tests to look at every day, alarms without references, words not in the sound."""
