"""Merging of models: recipes, merge methods, soups, task vectors, and checks of what can be merged."""
