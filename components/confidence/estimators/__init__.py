"""Estimators: features of a text -> calibrated probabilities and expected scores, fitted and kept as JSON."""
