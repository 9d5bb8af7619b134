"""The trainings of stacked models: spoken pairs for a model that reads speech and text, jackknifed drafts for pre-translation."""
