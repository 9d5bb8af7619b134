"""How fast systems lose when their input gets worse: score over strength, and its slope.

The systems of a ``matrix`` that differ in the strength of a ``perturb`` node alone are one curve. Its slope
is that of the least-squares line through the scores of the perturbed inputs, a fixed weighted sum of them: so
intervals and tests come from the same resamples of utterances as those of the scores. A line is a summary;
where the curve is bent its slope is that of the strengths that were chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from components.comparison.strengths.strength_curves import Conditions, Curve, find_curves
from components.metrics.choices import Test, TestChoice
from components.metrics.statistics.bootstrap import PROTOCOL, Estimate, FloatArray, bootstrap_interval
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.statistics.null_distributions import (
    choose_test,
    correct_holm,
    draw_randomized_differences,
    two_sided_p,
)
from components.metrics.statistics.significance import PROTOCOLS
from components.perturbation.strengths import STRENGTHS, Strength
from components.records import Record

Robustness = Literal["more robust", "less robust", "no significant difference", "not tested", "too few"]


class CurvePoint(Record):
    """The score of one system at one strength; None is no perturbation."""

    strength: float | None
    system: str
    score: Estimate


class DegradationCurve(Record):
    """The systems that differ in strength alone, weakest first.

    ``slope`` is the change of the score per step that the input gets worse.
    """

    label: str
    points: tuple[CurvePoint, ...]
    slope: Estimate


class SlopeDifference(Record):
    """The slope of a curve less that of the baseline's; ``p`` is two-sided, ``p_holm`` corrected.

    Only slopes in the score that ranks are tested; of the others ``p_holm`` is None.
    """

    label: str
    baseline: str
    difference: Estimate
    p: float | None
    p_holm: float | None
    verdict: Robustness


class Degradation(Record):
    """All curves of one metric over one axis of strengths, as NODE.SETTING."""

    axis: str
    metric: str
    higher_is_better: bool
    curves: tuple[DegradationCurve, ...]
    differences: tuple[SlopeDifference, ...]
    n: int
    test: Test
    signature: str

    @property
    def strength(self) -> Strength:
        """How the axis is called, and in which steps slopes are stated."""
        return STRENGTHS[self.axis.rpartition(".")[2]]


def measure_degradation(
    conditions: Mapping[str, Conditions],
    tables: Mapping[str, Mapping[str, CorpusStatistics]],
    baseline: str,
    ranking: str | None,
    test: TestChoice = "auto",
) -> tuple[Degradation, ...]:
    """Return the curves of every metric over every axis on which some systems differ in strength alone.

    Args:
        conditions: system -> what its graph is set to.
        tables: system -> metric -> statistics.
        baseline: the system whose curve the others are tested against.
        ranking: the score in which slopes are tested; differences in others are not tested.
        test: of slopes; curves at different strengths are tested by the bootstrap, as no output of the one
            could be exchanged for one of the other.
    """
    axes = dict.fromkeys(axis for of in conditions.values() for axis in of.strengths)
    return tuple(
        _measure(axis, metric, curves, tables, baseline, test, is_tested=metric == ranking)
        for axis in axes
        if (curves := find_curves(axis, conditions))
        for metric in tables[baseline]
        if all(metric in tables[system] for curve in curves for _, system in curve.systems)
    )


def _measure(
    axis: str,
    metric: str,
    curves: Sequence[Curve],
    tables: Mapping[str, Mapping[str, CorpusStatistics]],
    baseline: str,
    test: TestChoice,
    *,
    is_tested: bool,
) -> Degradation:
    systems = [system for curve in curves for _, system in curve.systems]
    shared = set.intersection(*(set(tables[system][metric].ids) for system in (baseline, *systems)))
    ids = [key for key in tables[baseline][metric].ids if key in shared]
    aligned = {system: tables[system][metric].subset(ids) for system in systems}
    first = next((n for n, curve in enumerate(curves) if baseline in dict(curve.systems).values()), 0)
    strength = STRENGTHS[axis.rpartition(".")[2]]
    slopes = [_slope(curve, strength, aligned) for curve in curves]
    table = aligned[systems[0]]
    alike = len({slope.strengths for slope in slopes}) == 1
    resolved = choose_test(test, len(ids)) if alike else "bootstrap"
    return Degradation(
        axis=axis,
        metric=metric,
        higher_is_better=table.metric.higher_is_better,
        curves=tuple(_draw(curve, slope, aligned) for curve, slope in zip(curves, slopes, strict=True)),
        differences=_compare(
            curves,
            slopes,
            first,
            resolved,
            higher_is_better=table.metric.higher_is_better,
            is_tested=is_tested,
        ),
        n=len(ids),
        test=resolved,
        signature=f"{table.signature}|least-squares|{PROTOCOLS[resolved]}|two-sided|{PROTOCOL}",
    )


class _Slope(NamedTuple):
    """The slope of a curve, a sum of the scores at ``strengths`` with ``weights``."""

    strengths: tuple[float, ...]
    weights: tuple[float, ...]
    tables: tuple[CorpusStatistics, ...]
    value: float
    resampled: FloatArray


def _slope(curve: Curve, strength: Strength, tables: Mapping[str, CorpusStatistics]) -> _Slope:
    """Change per step of worsening, of all utterances and of each resample."""
    numbered = [(x, tables[system]) for x, system in curve.systems if x is not None]
    x = np.array([number for number, _ in numbered], np.float64)
    centered = x - x.mean()
    weights = strength.worse * strength.step * centered / np.square(centered).sum()
    value = float(sum(w * table.score() for w, (_, table) in zip(weights, numbered, strict=True)))
    resampled = sum(
        (w * table.resampled_scores for w, (_, table) in zip(weights, numbered, strict=True)),
        start=np.zeros(1),
    )
    strengths, points = zip(*numbered, strict=True)
    return _Slope(strengths, tuple(weights.tolist()), points, value, resampled)


def _draw(curve: Curve, slope: _Slope, tables: Mapping[str, CorpusStatistics]) -> DegradationCurve:
    return DegradationCurve(
        label=curve.label,
        points=tuple(
            CurvePoint(strength=x, system=system, score=_estimate(tables[system]))
            for x, system in curve.systems
        ),
        slope=Estimate(value=slope.value, interval=bootstrap_interval(slope.resampled, slope.value)),
    )


def _estimate(table: CorpusStatistics) -> Estimate:
    score = table.to_score()
    return Estimate(value=score.value, interval=score.interval)


def _compare(
    curves: Sequence[Curve],
    slopes: Sequence[_Slope],
    first: int,
    test: Test,
    *,
    higher_is_better: bool,
    is_tested: bool,
) -> tuple[SlopeDifference, ...]:
    """Return every slope against that of the curve number ``first``; tests are corrected over the curves."""
    base = slopes[first]
    others = [
        (curve.label, slope)
        for n, (curve, slope) in enumerate(zip(curves, slopes, strict=True))
        if n != first
    ]
    differences = [(slope.value - base.value, slope.resampled - base.resampled) for _, slope in others]
    p_values = [
        two_sided_p(_null(slope, base, test), value) if len(resampled) else None
        for (_, slope), (value, resampled) in zip(others, differences, strict=True)
    ]
    return tuple(
        SlopeDifference(
            label=label,
            baseline=curves[first].label,
            difference=Estimate(value=value, interval=bootstrap_interval(resampled, value)),
            p=p,
            p_holm=corrected if is_tested else None,
            verdict=_verdict(corrected, value if higher_is_better else -value, is_tested=is_tested),
        )
        for (label, _), (value, resampled), p, corrected in zip(
            others, differences, p_values, correct_holm(p_values), strict=True
        )
    )


def _null(slope: _Slope, base: _Slope, test: Test) -> FloatArray:
    """Return differences of the two slopes as they would be if there were none."""
    if test == "bootstrap":
        return slope.resampled - base.resampled - (slope.value - base.value)
    return draw_randomized_differences(list(zip(slope.tables, base.tables, strict=True)), slope.weights)


def _verdict(p: float | None, gain: float, *, is_tested: bool) -> Robustness:
    if p is None:
        return "too few"
    if not is_tested:
        return "not tested"
    if p >= 0.05:
        return "no significant difference"
    return "more robust" if gain > 0 else "less robust"
