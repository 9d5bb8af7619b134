"""Tests of components/ensembling/output_level."""
