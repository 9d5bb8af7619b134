"""Replays of kept profiles: false alarms, how soon a change is found, and which stage is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.metrics.statistics.bootstrap import FloatArray
from components.monitoring.drift.detection import ALPHA, Detection, detect
from components.monitoring.drift.pairing import columns_of, make_pair
from components.monitoring.drift.profile import Profile

ACCEPTED, LIFE, BEFORE, AFTER, LOOK = 400, 3000, 200, 150, 25
"""Accepted utterances, those of a life without change, those before and after a change, and between looks."""
TRUTH = {
    "10 dB": "data",
    "another voice": "data",
    "another domain": "data",
    "half silent": "data",
    "recognizer exchanged": "fast",
    "translator exchanged": "mt",
}
Columns = Mapping[tuple[str, str], FloatArray]
"""Stage and signal -> a number per utterance, NaN where it is missing."""


def keep(profile: Profile, accepted: Profile) -> list[list[Any]]:
    """The signals of a run as rows of JSON: stage, signal, numbers."""
    return [
        [stage, signal, [None if np.isnan(v) else float(f"{v:.4g}") for v in values]]
        for (stage, signal), values in columns_of(profile, accepted).items()
    ]


def read(rows: Sequence[Sequence[Any]]) -> dict[tuple[str, str], FloatArray]:
    """What was kept."""
    return {
        (stage, signal): np.array([np.nan if v is None else v for v in values])
        for stage, signal, values in rows
    }


def replay_null(usual: Columns, replays: int) -> dict[str, Any]:
    """Alarms of lives in which accepted and new utterances are drawn alike."""
    rng, alarms = np.random.default_rng(2), 0
    size = len(next(iter(usual.values())))
    for _ in range(replays):
        old, new = rng.integers(0, size, ACCEPTED), rng.integers(0, size, LIFE)
        found = _detect(usual, old, [(usual, new)], rng)
        alarms += found.change is not None
    return {"replays": replays, "utterances": replays * LIFE, "alarms": alarms}


def replay_change(usual: Columns, changed: Columns, replays: int) -> dict[str, Any]:
    """Utterances until a change is found at a look, and the stage that is named then."""
    rng = np.random.default_rng(3)
    size, later = (len(next(iter(of.values()))) for of in (usual, changed))
    delays, stages, early = [], [], 0
    for _ in range(replays):
        old, before = rng.integers(0, size, ACCEPTED), rng.integers(0, size, BEFORE)
        after = rng.integers(0, later, AFTER)
        parts = [(usual, before), (changed, after)]
        found, state = None, rng.bit_generator.state
        for look in range(BEFORE + LOOK, BEFORE + AFTER + 1, LOOK):
            rng.bit_generator.state = state  # ties are broken as at the look before
            found = _detect(usual, old, parts, rng, look)
            if found.change is not None:
                break
        change = None if found is None else found.change
        if found is None or change is None:
            delays.append(None)
            continue
        early += change.alarm < BEFORE
        delays.append(change.alarm + 1 - BEFORE)
        stages.append(found.pairs[change.lead].stage)
    return {
        "delays": delays,
        "stages": {name: stages.count(name) for name in sorted(set(stages))},
        "early": early,
    }


def _detect(
    usual: Columns,
    old: Sequence[int],
    parts: Sequence[tuple[Columns, Sequence[int]]],
    rng: np.random.Generator,
    look: int | None = None,
) -> Detection:
    """Detection over utterances that are drawn, up to a look."""
    length = sum(len(drawn) for _, drawn in parts)
    ids = [f"{number:x}" for number in rng.integers(0, 2**62, length)]
    pairs = []
    for (stage, signal), values in usual.items():
        missing = np.full(len(values), np.nan)
        new = np.concatenate([of.get((stage, signal), missing)[drawn] for of, drawn in parts])[:look]
        pairs.append(make_pair(stage, signal, values[old], new))
    return detect([pair for pair in pairs if pair is not None], ids, ALPHA)
