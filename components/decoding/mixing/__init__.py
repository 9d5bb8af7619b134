"""Many scorers as one: members, groups, the mixture at each step."""
