"""What finished systems are worth: comparison, leaderboard, groups, error attribution, contribution of parts."""
