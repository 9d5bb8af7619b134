"""Students: word and sequence level losses, their first weights."""
