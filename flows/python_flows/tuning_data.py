"""The data that a search over a pipeline reads, and those that its winner is confirmed on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from components.data.stage import store_data, store_part
from components.errors import ConfigError
from components.nodes.data import DataSettings
from components.pipeline.pipeline import DATA, Pipeline
from components.records import Utterance
from components.run_record import StageRef
from components.storage.stages.reader import read_utterances
from components.storage.store import Store
from components.tuning.confirmation import refuse_overlap, set_aside
from components.tuning.objectives import Objective
from flows.checks import Check, check_against_data
from flows.parameters.tune import CheckedSearch, TuneParameters
from flows.run import Run
from flows.system import load_data
from tasks.progress import show_phase
from tasks.stages import data as data_sets
from tasks.stages.tries import Sets

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
            f"{len(aside)} of {total} utterances of {parameters.data} were set aside to confirm the winner on"
        )
    loaded = TuningData(data, confirm)
    seen = {"data": list(read_utterances(data))}
    for pipeline in (checked.pipeline, *(probe.pipeline for probe in checked.probes)):
        for name, ref in load_sets(pipeline, data, run.store).items():
            if name not in seen:
                seen[name] = list(read_utterances(ref))
                check_against_data(all_checks, ref, name)
    unseen = list(read_utterances(confirm))
    refuse_overlap(unseen, seen)
    for objective in checked.objectives:
        for name, utterances in (("data", seen["data"]), (CONFIRM, unseen)):
            _require_references(objective, name, utterances)
    show_phase("loading the models")
    check_against_data(all_checks, data)
    check_against_data(all_checks, confirm)
    return loaded


def _require_references(objective: Objective, name: str, utterances: Sequence[Utterance]) -> None:
    row = objective.row
    if row is None or "reference" not in row.needs:
        return
    if row.output == "transcript":
        has = [
            u.transcript is not None or any(s.transcript for s in u.reference_segments) for u in utterances
        ]
    else:
        has = [bool(u.references) or any(s.references for s in u.reference_segments) for u in utterances]
    if not any(has):
        kind = "transcripts" if row.output == "transcript" else "reference translations"
        raise ConfigError(
            f"{name}: expected {kind} for {objective.name}, found none in {len(utterances)} utterances"
        )


def load_sets(pipeline: Pipeline, block: StageRef, store: Store) -> Sets:
    """Return the data sets that a pipeline's nodes read, with a block of the search data as ``data``."""
    loaded = {DATA: block}
    for node in pipeline.data_nodes():
        settings = node.settings
        assert isinstance(settings, DataSettings)
        loaded[node.name] = store_data(settings.source, None, pipeline.languages, settings.limit, store)
    return loaded
