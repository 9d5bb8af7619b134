"""The data that a search over a pipeline reads, and those that its winner is confirmed on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from components.data.stage import store_data, store_part
from components.errors import ConfigError
from components.metrics.metric import Output
from components.nodes.data import DataSettings
from components.pipeline.pipeline import DATA, Pipeline
from components.records import Utterance
from components.run_record import StageRef
from components.storage.stages.reader import read_utterances
from components.storage.store import Store
from components.tuning.confirmation import refuse_overlap, set_aside
from components.tuning.halving import cut_blocks
from components.tuning.objectives import Objective
from flows import preflight
from flows.checks import Check, check_against_data, checks_of_pipeline, run_checks
from flows.parameters.searches.design import DesignParameters
from flows.parameters.searches.tune import CheckedSearch, TuneParameters
from flows.run import Run
from flows.system import load_data
from tasks.progress import show_phase
from tasks.stages import data as data_sets
from tasks.stages.searches.computed_try import Sets, TryContext

CONFIRM = "confirm"
"""The stage of the data to confirm on."""


class TuningData(NamedTuple):
    """The data that a search reads, and those that its winner is confirmed on."""

    search: StageRef
    confirm: StageRef


def load_tuning_data(
    run: Run, parameters: TuneParameters, checked: CheckedSearch, all_checks: Sequence[Check]
) -> TuningData:
    """Load the data to search and to confirm on; they are refused where they overlap or lack references."""
    loaded = split_data(run, parameters)
    seen = {"data": list(read_utterances(loaded.search))}
    for pipeline in (checked.pipeline, *(probe.pipeline for probe in checked.probes)):
        for name, ref in load_sets(pipeline, loaded.search, run.store).items():
            if name not in seen:
                seen[name] = list(read_utterances(ref))
                check_against_data(all_checks, ref, name)
    refuse_overlap(list(read_utterances(loaded.confirm)), seen)
    for objective in checked.objectives:
        require_references(objective, loaded)
    show_phase("loading the models")
    for ref in loaded:
        check_against_data(all_checks, ref)
    return loaded


def split_data(run: Run, parameters: TuneParameters | DesignParameters) -> TuningData:
    """Load the data to search on and those to confirm on, which are another set or a share set aside.

    Raises:
        ConfigError: the share leaves one of them without utterances.
    """
    data = load_data(run)[DATA]
    share = parameters.confirm_share
    store = run.store
    if share is None:
        languages = parameters.source_language, parameters.target_language
        task = data_sets.load_data
        confirm = run.add(task(parameters.confirm, None, *languages, None, run.store), CONFIRM)
    else:
        total = data.items - data.quarantined
        searched, aside = set_aside(list(read_utterances(data)), round(share * total), parameters.seed)
        if not searched or not aside:
            raise ConfigError(
                f"confirm: expected a share that leaves both parts utterances, found {share:g} of {total}"
            )
        confirm = run.add(store_part(data, aside, store), CONFIRM)
        run.add(data := store_part(data, searched, store))
        run.notes.append(
            f"{len(aside)} of {total} utterances of {parameters.data} were set aside to confirm on"
        )
    return TuningData(data, confirm)


def require_references(objective: Objective, loaded: TuningData) -> None:
    """Refuse data without a reference that an objective reads.

    Raises:
        ConfigError: which.
    """
    row = objective.row
    if row is None or "reference" not in row.needs:
        return
    for name, ref in zip(("data", CONFIRM), loaded, strict=True):
        utterances = list(read_utterances(ref))
        if not any(_has_reference(utterance, row.output) for utterance in utterances):
            kind = "transcripts" if row.output == "transcript" else "reference translations"
            raise ConfigError(
                f"{name}: expected {kind} for {objective.name}, found none in {len(utterances)} utterances"
            )


def count_references(objective: Objective, ref: StageRef) -> int:
    """Return how many utterances of a data set have the reference that an objective reads."""
    row = objective.row
    assert row is not None
    return sum(_has_reference(utterance, row.output) for utterance in read_utterances(ref))


def _has_reference(utterance: Utterance, output: Output) -> bool:
    segments = utterance.reference_segments
    if output == "transcript":
        return utterance.transcript is not None or any(segment.transcript for segment in segments)
    return bool(utterance.references) or any(segment.references for segment in segments)


def load_sets(pipeline: Pipeline, block: StageRef, store: Store) -> Sets:
    """Return the data sets that a pipeline's nodes read, with a block of the search data as ``data``."""
    loaded = {DATA: block}
    for node in pipeline.data_nodes():
        settings = node.settings
        assert isinstance(settings, DataSettings)
        loaded[node.name] = store_data(settings.source, None, pipeline.languages, settings.limit, store)
    return loaded


def make_context(
    run: Run,
    parameters: TuneParameters | DesignParameters,
    objectives: Sequence[Objective],
    rungs: tuple[StageRef, int],
    read: Callable[[Mapping[str, object]], Pipeline],
) -> TryContext:
    """Return what all tries share: data in so many blocks, and pipelines that are checked, with models."""
    data, count = rungs
    cut = cut_blocks(data.items - data.quarantined, count, parameters.reduction_factor, parameters.seed)

    def make_pipeline(settings: Mapping[str, object]) -> Pipeline:
        pipeline = read(settings)
        run_checks(checks_of_pipeline(pipeline, parameters.store, parameters.seed))
        return preflight.choose_models(pipeline, data, parameters)[0]

    return TryContext(
        objectives=objectives,
        blocks=[store_part(data, positions, run.store) for positions in cut] if len(cut) > 1 else [data],
        make_pipeline=make_pipeline,
        load_sets=partial(load_sets, store=run.store),
        store=run.store,
        seed=parameters.seed,
        reduction_factor=parameters.reduction_factor,
        price_per_hour=parameters.price_per_hour,
        normalizer=parameters.normalizer,
    )
