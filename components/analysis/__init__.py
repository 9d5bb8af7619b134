"""What is made of the scores of finished systems: comparison on one data set, leaderboard, groups of utterances, error attribution, contribution of parts."""
