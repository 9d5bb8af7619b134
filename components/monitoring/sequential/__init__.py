"""Tests of differences that hold however often they are looked at."""
