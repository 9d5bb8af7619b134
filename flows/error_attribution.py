"""Adds to a run the stage ``blame``: which of its stages loses what."""

from __future__ import annotations

from collections.abc import Mapping

from components.pipeline.pipeline import Pipeline
from flows.run import Run
from tasks.stages import attribution


def add_blame(
    run: Run,
    pipeline: Pipeline,
    segments: str | None = None,
    human_scores: Mapping[str, float] | None = None,
) -> None:
    """Attribute the errors of a run, whose stages are finished; see :func:`attribution.attribute_errors`."""
    run.add(
        attribution.attribute_errors(
            pipeline,
            run.stages,
            run.parameters.seed,
            run.store_url,
            segments,
            human_scores=human_scores,
            normalizer=run.normalizer,
        )
    )
