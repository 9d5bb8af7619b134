"""Tests of components/networks/moe."""
