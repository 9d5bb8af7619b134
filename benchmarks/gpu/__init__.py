"""What the project does on one card: right answers, times, and their share of what the card can do."""
