"""Adds external scores of a finished run to its record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from components.analysis.run_outputs import data_of
from components.comparison.external.external_scores import measure_scores
from components.errors import ConfigError
from components.metrics.metric import Output
from components.metrics.scores_file import load_scores
from components.metrics.scores_settings import ScoresFile
from components.metrics.scoring_units import ScoringUnits
from components.storage.stages.reader import read_utterances
from components.storage.store import Store
from components.text.languages import UNDETERMINED


def add_scores(name: str, files: Sequence[ScoresFile], store: Store) -> list[str]:
    """Add external scores of a recorded run to its record; returns what of them was left out.

    Raises:
        ConfigError: a file cannot be read, has no scores of the run, or the run compares others.
        StoreError: there is no such run, or it cannot be written.
    """
    entries = load_scores(files)
    with store.lock_recorded_run(name) as run:
        if run.systems:
            others = " ".join(run.systems.values())
            raise ConfigError(f"run {name} compares others: antiphon compare {others} --scores NAME=FILE")
        utterances = list(read_utterances(data_of(run)))
        ids = [
            unit.id
            for output in get_args(Output)
            for unit in ScoringUnits(utterances, output, UNDETERMINED).utterances
        ]
        metrics, notes = dict(run.metrics), list[str]()
        for entry in entries:
            tables, omitted = measure_scores(entry, [name], list(dict.fromkeys(ids)), len(utterances))
            metrics[entry.name] = tables[name].to_score()
            notes += omitted
        store.save_run(run.model_copy(update={"metrics": metrics}))
    return notes
