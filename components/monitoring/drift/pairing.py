"""The signals of new utterances beside those of the accepted run, stage by stage."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from components.errors import DataError
from components.metrics.statistics.bootstrap import FloatArray
from components.monitoring.drift.conformal import Evidence, gather_evidence, rank
from components.monitoring.drift.profile import MIN_ACCEPTED, UNSEEN, VERSION, Profile, StageProfile
from components.monitoring.drift.stage_signals import WAY
from components.pipeline.pipeline import DATA

OTHER_LANGUAGE = "other_language"


class Pair(NamedTuple):
    """A signal of a stage.

    Attributes:
        stage: name of the node.
        signal: its name.
        accepted: numbers of the accepted run (m,), without those missing.
        places: of the new utterances that have it (n,).
        values: theirs (n,).
    """

    stage: str
    signal: str
    accepted: FloatArray
    places: Sequence[int]
    values: FloatArray


def join_profiles(profiles: Sequence[Profile], accepted: Profile) -> Profile:
    """Return the utterances of several runs in their order, each once, without those that were accepted.

    The same are those of one id whose sound or length is the same, as a recorder may name its files as it did
    yesterday, and recordings of the same length and sound under other names.

    Raises:
        DataError: nothing is left.
    """
    new = _join(profiles, [accepted])
    if not new.ids:
        names = ", ".join(profile.run for profile in profiles)
        raise DataError(
            f"expected utterances in {names} that the accepted run {accepted.run} lacks, found none; compare "
            "the runs instead: antiphon compare"
        )
    return new


def prepend_earlier(earlier: Profile, new: Profile) -> Profile:
    """Return the utterances met earlier that are gone, as from a replaced folder, then the new ones."""
    return _join([_join([earlier], [new]), new], [])


def _join(profiles: Sequence[Profile], without: Sequence[Profile]) -> Profile:
    """Return the utterances of profiles in their order, each once, without those of others."""
    known: dict[str | float, list[Mapping[str, float]]] = {}
    for profile in without:
        for key, facts in zip(profile.ids, _facts_of(profile), strict=True):
            for name in (key, _heard_seconds(facts) or key):
                known.setdefault(name, []).append(facts)
    kept = list[tuple[int, int]]()
    for number, profile in enumerate(profiles):
        for place, (key, facts) in enumerate(zip(profile.ids, _facts_of(profile), strict=True)):
            others = known.setdefault(key, [])
            if not any(_agree(facts, other) for other in (*others, *known.get(_heard_seconds(facts), ()))):
                others.append(facts)
                kept.append((number, place))
    ids = tuple(profiles[number].ids[place] for number, place in kept)
    in_order = dict.fromkeys(each.stage for profile in profiles for each in profile.stages)
    stages = tuple(_join_stage([p.stage(name) for p in profiles], kept) for name in in_order)
    return Profile(version=VERSION, run=profiles[-1].run, ids=ids, stages=stages)


def _facts_of(profile: Profile) -> list[dict[str, float]]:
    """Return the numbers of each utterance that its sound or text alone decides."""
    data = profile.stage(DATA)
    columns = {} if data is None else {k: v for k, v in data.signals.items() if k != UNSEEN}
    return [
        {name: value for name, column in columns.items() if (value := column[place]) is not None}
        for place in range(len(profile.ids))
    ]


def _heard_seconds(facts: Mapping[str, float]) -> float:
    """Return the length of a recording with sound; 0 of another, as silences are all alike."""
    return facts.get("seconds", 0.0) if facts.get("brightness_hz") else 0.0


def _agree(facts: Mapping[str, float], others: Mapping[str, float]) -> bool:
    """Return whether numbers are the same, but for what another processor makes of the same sound."""
    return all(math.isclose(facts[k], others[k], rel_tol=1e-3, abs_tol=1e-3) for k in facts if k in others)


def _join_stage(parts: Sequence[StageProfile | None], kept: Sequence[tuple[int, int]]) -> StageProfile:
    there = [part for part in parts if part is not None]
    signals = dict.fromkeys(name for part in there for name in part.signals)

    def pick(name: str) -> Iterator[float | None]:
        for number, place in kept:
            part = parts[number]
            values = part.signals.get(name) if part is not None else None
            yield None if values is None else values[place]

    def language(number: int, place: int) -> str | None:
        part = parts[number]
        return part.languages[place] if part is not None and part.languages else None

    return StageProfile(
        stage=there[0].stage,
        kind=there[0].kind,
        signals={name: tuple(pick(name)) for name in signals},
        languages=tuple(language(number, place) for number, place in kept),
    )


def pair_signals(accepted: Profile, new: Profile) -> list[Pair]:
    """Return the signals that both have and that say something, in the order of the accepted run's graph.

    Raises:
        DataError: there is none, so nothing would be watched.
    """
    before, after = columns_of(accepted, accepted), columns_of(new, accepted)
    pairs = (make_pair(*name, before[name], after[name]) for name in before if name in after)
    watched = [pair for pair in pairs if pair is not None]
    if not watched:
        raise DataError(
            f"expected signals that {MIN_ACCEPTED} utterances of the accepted run {accepted.run} have, and "
            f"those of {new.run} too, found none; watch runs of its graph"
        )
    return watched


def make_pair(stage: str, signal: str, before: FloatArray, after: FloatArray) -> Pair | None:
    """Return a signal of accepted (m,) and new (n,) utterances, NaN where missing; None: it says nothing."""
    old, places = before[~np.isnan(before)], np.flatnonzero(~np.isnan(after))
    new = after[places]
    if len(old) < MIN_ACCEPTED or not len(new) or (np.ptp(old) == 0 and (new == old[0]).all()):
        return None
    return Pair(stage, signal, old, places.tolist(), new)


def columns_of(profile: Profile, accepted: Profile) -> dict[tuple[str, str], FloatArray]:
    """Return the signals of a run, (stage, signal) -> (n,), NaN where missing, of the accepted run's stages.

    Ways that one of the two runs never went are there as well; of two ways one says all.
    """
    columns: dict[tuple[str, str], FloatArray] = {}
    for stage in accepted.stages:
        own = profile.stage(stage.stage)
        if own is None:
            continue
        completed = _complete(own, stage)
        names = dict.fromkeys([*completed.signals, *stage.signals])
        ways = sorted(name for name in names if name.startswith(WAY))
        for name in names:
            if len(ways) != 2 or name != ways[1]:
                columns[stage.stage, name] = _column(completed, name)
    return columns


def _column(stage: StageProfile, name: str) -> FloatArray:
    """Return a signal (n,), NaN where it is missing; a way that was not gone is 0."""
    size = len(next(iter(stage.signals.values()), ()))
    values = stage.signals.get(name, (None,) * size)
    column = np.array([np.nan if value is None else value for value in values], np.float64)
    if name.startswith(WAY):
        passed = _column(stage, "quarantined") == 0
        column = np.where(np.isnan(column) & passed, 0.0, column)
    return column


def _complete(stage: StageProfile, accepted: StageProfile) -> StageProfile:
    """Return a stage with the signal of texts that are not in the accepted run's most frequent language."""
    usual = Counter(code for code in accepted.languages if code).most_common(1)
    if not usual or not stage.languages:
        return stage
    other = tuple(None if code is None else float(code != usual[0][0]) for code in stage.languages)
    return stage.model_copy(update={"signals": {**stage.signals, OTHER_LANGUAGE: other}})


def evidence_of(pair: Pair, ids: Sequence[str]) -> Evidence:
    """Return the evidence that a signal has changed; ties are broken by digests of the utterances' ids."""
    draws = np.array([_draw(f"{pair.stage}\0{pair.signal}\0{ids[place]}") for place in pair.places])
    return gather_evidence(rank(pair.accepted, pair.values, draws))


def _draw(name: str) -> float:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48
