"""Alarms over the numbers of each stage, without references."""
