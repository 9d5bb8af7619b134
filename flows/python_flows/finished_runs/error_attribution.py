"""Adds to a run the stage ``blame``: which of its stages loses what."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from components.attribution.blame import check_references
from components.attribution.substitution import chain_of
from components.pipeline.pipeline import DATA, Pipeline
from components.run_record import StageRef
from components.storage.store import Store
from flows.checks import Check, checks_of_pipeline
from flows.parameters.analyses import BlameParameters, ImproveParameters
from flows.registry import pipeline_of
from flows.run import Run
from flows.system import Hooks
from tasks.stages import attribution


def checks(parameters: BlameParameters | ImproveParameters) -> list[Check]:
    """Return the checks that transcripts have references, and of what reads corrected texts: it runs again.

    Raises:
        AntiphonError: the run is not there, or has nothing to correct.
    """
    store = Store(parameters.store)
    record = store.read_run(parameters.run)
    if not record.pipeline.nodes:
        return []
    pipeline = pipeline_of(record)
    chain = chain_of(pipeline, {ref.stage for ref in record.stages})
    changed, readers = {*chain.transcripts, *chain.drafts}, set[str]()
    for node in pipeline.subgraph_of(chain.output):
        if not changed.isdisjoint(node.of):
            changed.add(node.name)
            readers.add(pipeline.user_name_of(node.name))
    every = checks_of_pipeline(pipeline, parameters.store, parameters.seed)
    spoken = [ref for ref in record.stages if ref.stage == DATA and chain.transcripts]
    references = [Check("blame", partial(_check_references, store, ref)) for ref in spoken]
    return [*references, *(check for check in every if check.stage in readers)]


def _check_references(store: Store, data: StageRef) -> None:
    check_references(store.localize(data))


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


def _add_to_recognized(run: Run, pipeline: Pipeline) -> None:
    """Attribute the errors of a run that recognizes speech."""
    if "transcript" in pipeline.outputs and pipeline.outputs["transcript"] in run.stages:
        add_blame(run, pipeline)


HOOKS = Hooks(before=lambda run, _: check_references(run.stages[DATA]), after=_add_to_recognized)
"""What a run adds whose parameters ask for ``blame``."""
