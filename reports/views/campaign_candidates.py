"""Finished runs as candidates of a campaign: which runs a comparison is of, and what they have put out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

from components.analysis.run_outputs import output_of
from components.campaign.blinding import MAX_SYSTEMS
from components.campaign.candidates import Candidate, gather_candidates
from components.comparison.comparable_runs import check_comparable
from components.comparison.systems import load_same_data
from components.errors import ConfigError
from components.metrics.metric import Output
from components.run_record import RunRecord
from components.storage.stages.reader import read_nbests_by_id
from components.storage.store import Store
from components.text.languages import UNDETERMINED
from components.text.suggestions import did_you_mean


def load_systems(names: Sequence[str], store: Store) -> dict[str, RunRecord]:
    """Return the runs to judge by their names; a comparison stands for the runs that it compares.

    Raises:
        ConfigError: fewer than two, or more than can be judged.
        StoreError: no such run.
        DataError: a run without outputs.
    """
    records = [store.load_run(name) for name in names]
    listed = [run for record in records for run in record.systems.values() or (record.name,)]
    systems = {name: store.load_run(name) for name in dict.fromkeys(listed)}
    if not 2 <= len(systems) <= MAX_SYSTEMS:
        raise ConfigError(
            f"expected 2 to {MAX_SYSTEMS} systems to judge, found {', '.join(systems) or 'none'}; name "
            "finished runs, or a comparison"
        )
    for run in systems.values():
        check_comparable(run)
    return systems


def choose_output(systems: Mapping[str, RunRecord], output: str | None) -> Output:
    """Return the kind of output to judge: ``output``, or the translations if all runs have them.

    Raises:
        ConfigError: not all runs have it.
    """
    kinds: tuple[Output, ...] = get_args(Output)
    if output is not None and output not in kinds:
        raise ConfigError(
            f"--output: expected one of {', '.join(kinds)}, found {output!r}{did_you_mean(output, kinds)}"
        )
    shared = [kind for kind in reversed(kinds) if all(output_of(run, kind) for run in systems.values())]
    kind = next((kind for kind in shared if output in {None, kind}), None)
    if kind is None:
        raise ConfigError(
            f"expected runs that all have a {output or 'translation or a transcript'}, found "
            f"{', '.join(systems)} to share {', '.join(shared) or 'neither'}"
        )
    return kind


def load_candidates(systems: Mapping[str, RunRecord], output: Output, prefill: float) -> list[Candidate]:
    """Return what all runs have put out.

    Raises:
        DataError: runs of different data, or without a common utterance.
    """
    utterances = load_same_data(systems)
    stated = {run.parameters.get("target_language") for run in systems.values()} - {None}
    target = str(stated.pop()) if len(stated) == 1 else UNDETERMINED
    languages = {
        utterance.id: utterance.source_language
        if output == "transcript"
        else utterance.target_language or target
        for utterance in utterances
    }
    outcomes = {name: read_nbests_by_id(output_of(run, output)) for name, run in systems.items()}
    return gather_candidates(utterances, outcomes, output, languages, prefill)
