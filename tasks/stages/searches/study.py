"""Runs a search over a pipeline: its tries are computed as one graph, rung after rung."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prefect import get_run_logger

from components.errors import AntiphonError
from components.files.canonical_json import digest_of
from components.pipeline.pipeline import Pipeline
from components.run_record import StageRef
from components.tuning.analyses import STUDY, SearchSettings, StudyRequest
from components.tuning.study import AS_WRITTEN, Try
from components.tuning.tables import describe_try
from tasks.progress import ProgressBar
from tasks.stages.searches.computed_try import TryContext
from tasks.stages.searches.tries import compute_tries, require_computed


def run_study(
    context: TryContext,
    settings: SearchSettings,
    pipelines: Mapping[str, Pipeline],
    listed: Sequence[Try] = (),
) -> StageRef:
    """Search, or return the same search done before; one that was stopped goes on.

    Args:
        context: what all tries share.
        settings: of the search.
        pipelines: the pipeline as written and with single values of its variables.
        listed: tries that the result has whether or not there is time for them.
    """
    names = [objective.name for objective in context.objectives]
    bars: list[ProgressBar] = []

    def evaluate(planned: Sequence[Try], before: Sequence[Try]) -> list[Try]:
        computed = compute_tries(context, planned, before)
        for each in computed:
            if each.number == AS_WRITTEN:
                require_computed([each])
        return computed

    def watch(computed: Sequence[Try], known: int) -> None:
        if not bars:  # the search begins: it is not reused
            bars.append(ProgressBar("study", f"{settings.tries} tries"))
        if known:
            get_run_logger().info("search: goes on after %d tries", known)
        for each in computed:
            get_run_logger().info("%s", describe_try(each, names))
        if computed:
            bars[0].show(min(100.0, 100 * computed[-1].number / max(1, settings.tries)))

    request = StudyRequest(
        settings,
        context.objectives,
        context.blocks,
        {name: _digest_keys(context, pipeline) for name, pipeline in pipelines.items()},
        evaluate,
        watch,
        listed,
    )
    return STUDY.run(request, context.store)


def _digest_keys(context: TryContext, pipeline: Pipeline) -> str:
    """Return the digest of the keys of a pipeline's stages; of its fault where it cannot be planned."""
    try:
        return context.digest_keys(pipeline)
    except AntiphonError as error:
        return digest_of(str(error))
