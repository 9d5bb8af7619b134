"""Finished runs as systems that are compared: their texts, costs and conditions, over the same data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.analysis.run_outputs import cost_of, data_of, output_of
from components.comparison.strengths.strength_curves import read_conditions
from components.comparison.tabulation import System
from components.errors import DataError
from components.metrics.error_rates.turns import output_turns
from components.records import Utterance
from components.run_record import RunRecord
from components.storage.stages.reader import read_best_texts, read_nbests, read_utterances
from components.storage.store import Store


def system_of(name: str, run: RunRecord, store: Store, price_per_hour: float | None = None) -> System:
    """Read translation and transcript of a run that :func:`check_comparable` let pass, by utterance id.

    ``price_per_hour`` is that of machines whose run states none.
    """
    translation, transcript = output_of(run, "translation"), output_of(run, "transcript")
    spoken = {nbest.utterance_id: nbest.best for nbest in read_nbests(transcript)} if transcript else {}
    return System(
        name,
        read_best_texts(translation) if translation else {},
        {key: hypothesis.text for key, hypothesis in spoken.items()},
        cost_of(run, store, price_per_hour),
        read_conditions(
            {node.name: (node.kind, _flatten_settings(node.settings)) for node in run.pipeline.nodes}
        ),
        {key: output_turns(hypothesis) for key, hypothesis in spoken.items()},
    )


def _flatten_settings(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        inner = _flatten_settings(value, f"{prefix}{name}.") if isinstance(value, dict) else {}
        flat |= inner or {f"{prefix}{name}": value}
    return flat


def load_same_data(runs: Mapping[str, RunRecord]) -> list[Utterance]:
    """Return the utterances of several runs, which must be the same.

    Raises:
        DataError: two runs have other utterances, or other texts for one.
    """
    first = next(iter(runs))
    first_utterances = {utterance.id: utterance for utterance in read_utterances(data_of(runs[first]))}
    for name, run in runs.items():
        utterances = {utterance.id: utterance for utterance in read_utterances(data_of(run))}
        for key in sorted(first_utterances.keys() ^ utterances.keys()):
            where = first if key in first_utterances else name
            raise DataError(
                f"expected {first} and {name} to be runs of the same data, found {key!r} in {where} only; "
                "run both with the same data and limit"
            )
        for key, utterance in utterances.items():
            if (utterance.references, utterance.transcript) != (
                first_utterances[key].references,
                first_utterances[key].transcript,
            ):
                raise DataError(f"{key}: expected the same reference texts in {first} and {name}")
    return list(first_utterances.values())
