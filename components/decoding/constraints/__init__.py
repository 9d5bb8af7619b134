"""What a search may not choose, or prefers: phrases, terms, token rules."""
