"""Tests of the backends of recognition."""
