"""What finished systems are worth: comparison, leaderboard, error attribution, contribution of parts."""
