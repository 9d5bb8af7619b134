"""Tests of components/pruning."""
