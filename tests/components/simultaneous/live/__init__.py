"""Tests of components/simultaneous/live."""
