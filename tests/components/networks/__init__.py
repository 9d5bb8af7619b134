"""Tests of components/networks."""
