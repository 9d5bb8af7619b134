"""Training of stacked models: on spoken pairs, and on jackknifed drafts for pre-translation."""
