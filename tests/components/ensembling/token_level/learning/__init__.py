"""Tests of components/ensembling/token_level/learning."""
