"""Which signal gives alarm, when, and which stage changed first.

Each signal bets with its share of the alarm level, equal among stages and then among the signals of a
stage, so the probability that any ever gives a false alarm is at most alpha (a union bound; no
independence is needed).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from components.metrics.statistics.bootstrap import FloatArray
from components.monitoring.drift.conformal import Evidence
from components.monitoring.drift.pairing import Pair, evidence_of

ALPHA = 0.01
"""Probability of any false alarm in the whole life of what is watched."""
SURE = math.log(100)
"""Evidence since the onset from which a stage counts as changed, over all its signals."""


class Change(NamedTuple):
    """A change that was found.

    Attributes:
        alarm: place of the utterance at which it was found.
        onset: place from which on utterances differ.
        lead: number of the signal that shows it best in the stage that changed first.
        found_by: number of the signal that gave the alarm.
        direction: how the leading signal has changed.
    """

    alarm: int
    onset: int
    lead: int
    found_by: int
    direction: str


class Detection(NamedTuple):
    """What the signals say.

    Attributes:
        pairs: the signals.
        evidence: of each.
        thresholds: logarithm of the capital at which each gives alarm.
        alarms: place of the utterance at which each did; None where it did not.
        change: the first that was found.
    """

    pairs: Sequence[Pair]
    evidence: Sequence[Evidence]
    thresholds: Sequence[float]
    alarms: Sequence[int | None]
    change: Change | None

    @property
    def stages_in_alarm(self) -> frozenset[str]:
        """The stages of which a signal gives alarm."""
        alarms = zip(self.pairs, self.alarms, strict=True)
        return frozenset(pair.stage for pair, alarm in alarms if alarm is not None)


def detect(pairs: Sequence[Pair], ids: Sequence[str], alpha: float = ALPHA) -> Detection:
    """Look for a change in signals.

    Args:
        pairs: in the order of the graph, those of a stage together.
        ids: of the new utterances.
        alpha: level of false alarms over the whole life.
    """
    evidence = [evidence_of(pair, ids) for pair in pairs]
    counts = Counter(pair.stage for pair in pairs)
    thresholds = [math.log(len(counts) * counts[pair.stage] / alpha) for pair in pairs]
    alarms = [
        _first(of.capital, threshold, pair.places)
        for of, threshold, pair in zip(evidence, thresholds, pairs, strict=True)
    ]
    return Detection(pairs, evidence, thresholds, alarms, _find_change(pairs, evidence, alarms, counts))


def _first(capital: FloatArray, threshold: float, places: Sequence[int]) -> int | None:
    above = np.flatnonzero(capital >= threshold)
    return int(places[above[0]]) if len(above) else None


def _find_change(
    pairs: Sequence[Pair],
    evidence: Sequence[Evidence],
    alarms: Sequence[int | None],
    counts: Counter[str],
) -> Change | None:
    alarm, found_by = min(
        ((place, number) for number, place in enumerate(alarms) if place is not None), default=(None, 0)
    )
    if alarm is None:
        return None
    pair = pairs[found_by]
    onset = pair.places[evidence[found_by].onset(int(np.searchsorted(pair.places, alarm)) + 1)]
    starts = [int(np.searchsorted(pair.places, onset)) for pair in pairs]
    won = [
        of.since(start) - math.log(counts[pair.stage])
        for of, start, pair in zip(evidence, starts, pairs, strict=True)
    ]
    sure = next((pair.stage for pair, value in zip(pairs, won, strict=True) if value >= SURE), None)
    stage = sure or pairs[int(np.argmax(won))].stage
    lead = max((n for n, pair in enumerate(pairs) if pair.stage == stage), key=won.__getitem__)
    return Change(alarm, onset, lead, found_by, evidence[lead].direction(starts[lead]))
