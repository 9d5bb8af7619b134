"""Tests of components/serving."""
