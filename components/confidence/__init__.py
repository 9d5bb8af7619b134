"""Knowing what is good without a reference: features of texts, and estimators that are fitted on them."""
