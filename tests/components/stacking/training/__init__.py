"""Tests of components/stacking/training."""
