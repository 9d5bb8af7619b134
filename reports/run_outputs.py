"""Finished runs as systems that can be compared: their outputs by utterance id and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components import models
from components.errors import AntiphonError, DataError, StoreError
from components.files import lines, read_json
from components.metrics.comparing import System
from components.metrics.standings import Cost
from components.models.checkpoints import parameters as count_parameters
from components.records import RunRecord, StageRef, Utterance
from components.storage.reader import best_texts, utterances
from components.storage.stage_writer import OUTPUTS
from components.storage.store import Store

_FREE = ("data", "metrics", "scores", "training", "comparison", "blame", "contribution", "rounds")
_LEARNED = ("-dev", "coefficients")
"""Stages so named, or ending so, are no part of what a system costs to use."""
_MAKES = {"train": "training", "distill": "training", "experts": "training", "merge": "merge"}
"""Flows that make a model, and the stage that holds it."""


def decoded(run: RunRecord) -> list[StageRef]:
    """Stages of a run whose outcomes are n-best lists, in the order in which they ran."""
    return [ref for ref in run.stages if _used(ref) and _holds_hypotheses(ref)]


def _used(ref: StageRef) -> bool:
    """Whether a stage is run whenever the system is used: no training, no tuning, no scoring."""
    return ref.stage not in _FREE and not ref.stage.endswith(_LEARNED)


def _holds_hypotheses(ref: StageRef) -> bool:
    path = Path(ref.path) / OUTPUTS
    return path.is_file() and next(lines(path), b'"hypotheses"').find(b'"hypotheses"') >= 0


def transcribes(ref: StageRef) -> bool:
    """Whether the outcomes of a stage are transcripts."""
    return ref.stage.split("-", maxsplit=1)[0] == "asr"


def check(run: RunRecord) -> None:
    """Whether a run can be compared.

    Raises:
        DataError: it failed, it made a model, it decoded nothing, or all its outputs were put aside.
    """
    if not run.status.startswith("completed"):
        raise DataError(
            f"run {run.name}: expected a finished run, found one that is {run.status}; run it again, what it "
            "finished is reused"
        )
    if run.flow in _MAKES:
        model = next((f"store:{one.key[:12]}" for one in run.stages if one.stage == _MAKES[run.flow]), "it")
        raise DataError(
            f"run {run.name}: expected a run over a data set, found one of {run.flow}, which makes a model; "
            f"run a system with {model} (mt.model of a cascade, say) and compare that run"
        )
    stages = decoded(run)
    if not stages:
        raise DataError(
            f"run {run.name}: expected transcripts or translations, found none in a run of {run.flow}; "
            "compare runs of cascade, stack, ensemble or refine"
        )
    last = stages[-1]
    if last.items == last.quarantined:
        raise DataError(
            f"run {run.name}: expected outputs of its last stage {last.stage}, found all {last.items} "
            f"records put aside; antiphon inspect {run.name} --stage {last.stage} says why"
        )


def system_of(name: str, run: RunRecord, store: Store) -> System:
    """The last translation and the last transcript of a run that :func:`check` let pass, by utterance id."""
    stages = decoded(run)
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
    seconds = sum(ref.seconds for ref in run.stages if _used(ref))
    audio = sum(one.audio.seconds for one in data_of(run) if one.audio)
    return Cost(
        seconds=seconds,
        real_time_factor=seconds / audio if audio else None,
        peak_memory_bytes=max(ref.peak_memory_bytes for ref in stages),
        parameters=parameters_of(run, store),
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


def plan_of(ref: StageRef) -> dict[str, Any]:
    """The plan of a stage; empty where it is gone."""
    try:
        return read_json(Path(ref.path) / "plan.json")
    except StoreError:
        return {}


def parameters_of(run: RunRecord, store: Store) -> int | None:
    """Parameters of all models of a run together, each once; None if it names none or one is gone."""
    plans = [plan_of(ref) for ref in run.stages if _used(ref)]
    used = {
        plan["weights"][role]: name
        for plan in plans
        for role, name in plan.get("models", {}).items()
        if role in plan["weights"]
    }
    try:
        paths = {models.resolve(name, store.place.url).path for name in used.values()}
        return sum(count_parameters(Path(path)) for path in paths) if paths else None
    except (AntiphonError, OSError):
        return None
