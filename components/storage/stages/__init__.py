"""Stages: plans, writers, readers, record files, seals."""
