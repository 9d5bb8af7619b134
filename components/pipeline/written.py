"""A pipeline as it would be written in a file."""

from __future__ import annotations

from typing import Any

from components.pipeline.pipeline import Pipeline


def values_of(pipeline: Pipeline) -> dict[str, Any]:
    """Return the pipeline as data that :func:`~components.pipeline.reading.reader.read_pipeline` takes."""
    return {
        "nodes": {name: dict(values) for name, values in pipeline.definitions.items()},
        "outputs": {role: definition_of(pipeline, name) for role, name in pipeline.outputs.items()},
        "source_language": pipeline.languages[0],
        "target_language": pipeline.languages[1],
    }


def definition_of(pipeline: Pipeline, name: str) -> str:
    """Return the written node whose result ``name`` is; ``name`` itself for a node that stands for itself."""
    return next((written for written, last in pipeline.aliases.items() if last == name), name)
