"""How good outputs are: error rates of transcripts, scores of translations, and how sure they are.

All scores are percentages (0 to 100, error rates may exceed it) with a 95% bootstrap interval, where
there are utterances enough for one.
"""

version = 7
"""Part of the key of every stage that scores: raised when metrics are added or scores change."""
