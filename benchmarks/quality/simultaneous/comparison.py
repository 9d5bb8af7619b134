"""Curves of score over latency, and their difference at one latency, over resampled recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from components.metrics.statistics.bootstrap import FloatArray, draw_counts
from components.metrics.table import get_metric

RESAMPLES = 2000
BASE = "local_agreement"


class Curve(NamedTuple):
    """Policies of one kind, by latency.

    Attributes:
        lags, scores: mean LongYAAL and score of each setting: (settings,), or (resamples, settings).
    """

    lags: FloatArray
    scores: FloatArray


class Difference(NamedTuple):
    """AlignAtt minus local agreement at the latency of the latter.

    Attributes:
        policy: the setting of local agreement.
        lag: its latency.
        value: more is better.
        interval: 95%.
        outside: share of resamples with that latency beyond AlignAtt's curve: its nearest end counts.
    """

    policy: str
    lag: float
    value: float
    interval: tuple[float, float]
    outside: float


def by_policy(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the recordings of each policy that all policies have, in one order."""
    policies = list(dict.fromkeys(row["policy"] for row in rows))
    by_key = {(row["id"], row["policy"]): row for row in rows}
    keys = [
        key for key in dict.fromkeys(row["id"] for row in rows) if all((key, p) in by_key for p in policies)
    ]
    return {policy: [by_key[key, policy] for key in keys] for policy in policies}


def measure_points(metric_name: str, rows: Sequence[Mapping[str, Any]], weights: FloatArray) -> Curve:
    """Return latency and score of some settings.

    Args:
        metric_name: as in the table of metrics.
        rows: of all its settings.
        weights: how often each recording is in each resample, (resamples, recordings).
    """
    metric, lags, scores = get_metric(metric_name), [], []
    for own in by_policy(rows).values():
        sums = weights @ np.array([sum(row["yaal"]) for row in own])
        counts = weights @ np.array([len(row["yaal"]) for row in own])
        lags.append(sums / np.maximum(counts, 1))
        scores.append(metric.score(weights @ np.array([row["counts"] for row in own])))
    return Curve(np.stack(lags, -1), np.stack(scores, -1))


def compare_at_latency(metric_name: str, rows: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """Return AlignAtt minus local agreement at the latency of each of the latter's settings."""
    policies = list(by_policy(rows))
    n = len(by_policy(rows)[policies[0]])
    base = [i for i, policy in enumerate(policies) if policy.startswith(BASE)]
    other = [i for i in range(len(policies)) if i not in base]
    drawn = np.concatenate([np.ones((1, n)), *(counts.astype(float) for counts in draw_counts(n, RESAMPLES))])
    curve = measure_points(metric_name, rows, drawn)
    sign = 1 if get_metric(metric_name).higher_is_better else -1
    differences = []
    for position in base:
        lags = curve.lags[:, position]
        at = np.array(
            [interpolate(x, curve.lags[i, other], curve.scores[i, other]) for i, x in enumerate(lags)]
        )
        values = sign * (at - curve.scores[:, position])
        low, high = (float(v) for v in np.quantile(values[1:], [0.025, 0.975])) if n > 1 else (0.0, 0.0)
        reached = (curve.lags[:, other].min(1) <= lags) & (lags <= curve.lags[:, other].max(1))
        differences.append(
            Difference(policies[position], float(lags[0]), float(values[0]), (low, high), 1 - reached.mean())
        )
    return differences


def interpolate(x: float, lags: FloatArray, scores: FloatArray) -> float:
    """Return the score at a latency between settings, linearly; beyond the curve that of its nearest end."""
    order = np.argsort(lags)
    return float(np.interp(x, lags[order], scores[order]))
