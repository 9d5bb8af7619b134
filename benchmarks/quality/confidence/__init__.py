"""Confidence, routes and pools on spoken captions, human recordings and text: data, runs, and their pages."""
