"""Finished runs as systems that can be compared: their outputs by utterance id and what they cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from components import models
from components.errors import AntiphonError, DataError
from components.metrics.comparing import System
from components.metrics.standings import Cost
from components.models.checkpoints import parameters as count_parameters
from components.records import RunRecord, StageRef, Utterance
from tasks.files import lines
from tasks.reading import best_texts, utterances
from tasks.stage import OUTPUTS
from tasks.store import Store

_FREE = ("data", "metrics", "scores", "training", "comparison", "blame", "contribution", "rounds")
"""Stages that are no part of what a system costs to use."""


def decoded(run: RunRecord) -> list[StageRef]:
    """Stages of a run whose outcomes are n-best lists, in the order in which they ran."""
    return [ref for ref in run.stages if ref.stage not in _FREE and _holds_hypotheses(ref)]


def _holds_hypotheses(ref: StageRef) -> bool:
    path = Path(ref.path) / OUTPUTS
    return path.is_file() and next(lines(path), b'"hypotheses"').find(b'"hypotheses"') >= 0


def transcribes(ref: StageRef) -> bool:
    """Whether the outcomes of a stage are transcripts."""
    return ref.stage.split("-", maxsplit=1)[0] == "asr"


def system_of(name: str, run: RunRecord, store: Store) -> System:
    """The last translation and the last transcript of a run, by utterance id.

    Raises:
        DataError: the run decoded nothing.
    """
    stages = decoded(run)
    if not stages:
        raise DataError(f"run {run.name}: expected stages with hypotheses, found none; it cannot be compared")
    heard = [ref for ref in stages if transcribes(ref)]
    said = [ref for ref in stages if not transcribes(ref)]
    return System(
        name,
        best_texts(said[-1]) if said else {},
        best_texts(heard[-1]) if heard else {},
        cost_of(run, stages, store),
    )


def cost_of(run: RunRecord, stages: Sequence[StageRef], store: Store) -> Cost:
    """Seconds of computing (when a stage was reused: those of its first time), memory, parameters, calls."""
    seconds = sum(ref.seconds for ref in run.stages if ref.stage not in _FREE)
    audio = sum(one.audio.seconds for one in data_of(run) if one.audio)
    return Cost(
        seconds=seconds,
        real_time_factor=seconds / audio if audio else None,
        peak_memory_bytes=max(ref.peak_memory_bytes for ref in stages),
        parameters=_parameters(run, store),
        calls=sum(ref.items for ref in stages),
    )


def data_of(run: RunRecord) -> list[Utterance]:
    """The utterances of a run's data set.

    Raises:
        DataError: the run has no ``data`` stage.
    """
    for ref in run.stages:
        if ref.stage == "data":
            return list(utterances(ref))
    raise DataError(f"run {run.name}: expected a data stage, found none; it cannot be compared")


def same_data(runs: Mapping[str, RunRecord]) -> list[Utterance]:
    """The utterances that all runs are about.

    Raises:
        DataError: two runs have other utterances, or other texts for one.
    """
    first = next(iter(runs))
    known = {one.id: one for one in data_of(runs[first])}
    for name, run in runs.items():
        mine = {one.id: one for one in data_of(run)}
        for key in sorted(known.keys() ^ mine.keys()):
            where = first if key in known else name
            raise DataError(
                f"expected {first} and {name} to be runs of the same data, found {key!r} in {where} only; "
                "run both with the same data and limit"
            )
        for key, one in mine.items():
            if (one.references, one.transcript) != (known[key].references, known[key].transcript):
                raise DataError(f"{key}: expected the same reference texts in {first} and {name}")
    return list(known.values())


def references_to_models(parameters: Mapping[str, object], stages: Sequence[str]) -> Iterator[str]:
    """Model references among a run's parameters, those of stages that did not run left out."""
    for name, value in parameters.items():
        if name in ("asr", "mt", "st") and name not in stages:
            continue
        for inner in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(inner, Mapping):
                yield from references_to_models(inner, stages)
            elif isinstance(inner, str) and name in ("model", "models", "members"):
                yield inner


def _parameters(run: RunRecord, store: Store) -> int | None:
    """Parameters of all models of a run together; None if it names none or one is gone."""
    found = list(references_to_models(run.parameters, [ref.stage for ref in run.stages]))
    try:
        paths = [models.resolve(one, str(store.root)).path for one in found]
        return sum(count_parameters(Path(path)) for path in paths) if paths else None
    except (AntiphonError, OSError):
        return None
