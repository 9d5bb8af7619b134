"""Power of a probe on 50 recordings: words of a recognizer that knows them, and of one that does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.monitoring.probing.verdict import tail_probability

RECORDINGS, REPLAYS, LEVEL = 50, 1000, 0.05


def keep(rows: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """The words of a probe as rows of JSON: kind, recording, written, guess."""
    return [[row["kind"], row["utterance"], bool(row["written"]), round(row["guess"], 5)] for row in rows]


def power(rows: Sequence[Sequence[Any]], kind: str) -> dict[str, float]:
    """Shares written and guessed, and how often 50 recordings, drawn with replacement, are found at 5%."""
    by_recording: dict[str, list[tuple[bool, float]]] = {}
    for of, recording, written, guess in rows:
        if of == kind:
            by_recording.setdefault(recording, []).append((written, guess))
    names, rng, found = list(by_recording), np.random.default_rng(4), 0
    for _ in range(REPLAYS):
        drawn = [word for k in rng.integers(0, len(names), RECORDINGS) for word in by_recording[names[k]]]
        found += tail_probability(np.array([g for _, g in drawn]), sum(w for w, _ in drawn)) < LEVEL
    words = [word for own in by_recording.values() for word in own]
    return {
        "words": len(words),
        "recordings": len(names),
        "written": float(np.mean([w for w, _ in words])),
        "guessed": float(np.mean([g for _, g in words])),
        "p": tail_probability(np.array([g for _, g in words]), sum(w for w, _ in words)),
        "found": found / REPLAYS,
    }
