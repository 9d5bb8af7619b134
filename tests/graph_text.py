"""Pipelines as text."""

from __future__ import annotations

from components.errors import ConfigError
from components.files.yaml_text import parse_yaml
from components.pipeline.pipeline import Pipeline
from components.pipeline.reading.reader import read_pipeline


def parse_pipeline(text: str, where: str = "") -> Pipeline:
    """The pipeline in a YAML (or JSON) text."""
    values, lines = parse_yaml(text, where or "pipeline")
    if not isinstance(values, dict):
        raise ConfigError(f"{where or 'pipeline'}: expected a mapping, found {type(values).__name__}")
    return read_pipeline(values, where, lines)
