"""From which confidence on texts can be trusted: the lowest threshold that keeps enough that is right."""

from __future__ import annotations

import numpy as np

from components.confidence.evaluation.calibration import MIN_IN_BIN
from components.confidence.evaluation.trials import Trials
from components.records import Record

GOALS = (0.8, 0.9, 0.95, 0.99)
"""Shares that are right which a reader may want; the lowest above the share of all is looked for."""


class Threshold(Record):
    """What is kept from a confidence on.

    Attributes:
        goal: the share that should be right.
        confidence: the threshold; what has it or more is kept.
        accuracy: share of the kept trials that is right.
        coverage: share of all trials that is kept.
    """

    goal: float
    confidence: float
    accuracy: float
    coverage: float


def find_threshold(trials: Trials) -> Threshold | None:
    """Return the lowest threshold that reaches the next goal, with at least ``MIN_IN_BIN`` trials kept.

    It is chosen on the trials that it is measured on. None: no threshold reaches it, or all goals are met.
    """
    right = 1 - trials.loss
    goal = next((goal for goal in GOALS if goal > right.mean()), None)
    if goal is None:
        return None
    order = np.argsort(-trials.confidence, kind="stable")
    confidence, accuracy = trials.confidence[order], np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    ends_level = np.r_[confidence[1:] != confidence[:-1], True]  # equal confidences are kept together
    enough = np.flatnonzero(ends_level & (accuracy >= goal) & (np.arange(len(order)) >= MIN_IN_BIN - 1))
    if not enough.size:
        return None
    last = int(enough[-1])
    return Threshold(
        goal=goal,
        confidence=float(confidence[last]),
        accuracy=float(accuracy[last]),
        coverage=(last + 1) / len(order),
    )
