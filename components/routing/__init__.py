"""Which utterances go to the expensive of two systems: thresholds for a budget, a target or a guarantee."""
