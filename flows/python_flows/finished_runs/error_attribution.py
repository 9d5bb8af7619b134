"""Adds to a run the stage ``blame``: which of its stages loses what."""

from __future__ import annotations

from collections.abc import Mapping

from components.attribution.blame import check_references
from components.pipeline.pipeline import DATA, Pipeline
from flows.run import Run
from flows.system import Hooks
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
            run.store,
            segments,
            human_scores=human_scores,
            normalizer=run.normalizer,
        )
    )


def _check_references(run: Run, pipeline: Pipeline) -> None:
    check_references(run.stages[DATA])


def _add_to_recognized(run: Run, pipeline: Pipeline) -> None:
    """Attribute the errors of a run that recognizes speech."""
    if "transcript" in pipeline.outputs and pipeline.outputs["transcript"] in run.stages:
        add_blame(run, pipeline)


HOOKS = Hooks(before=_check_references, after=_add_to_recognized)
"""What a run adds whose parameters ask for ``blame``."""
