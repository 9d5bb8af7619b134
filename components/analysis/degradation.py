"""How fast systems lose when their input gets worse: score over strength, and its slope.

The systems of a ``matrix`` that differ in the strength of a ``perturb`` node alone are one curve. Its slope is
that of the least-squares line through the scores of the perturbed inputs, a fixed weighted sum of them: so
intervals and tests come from the same resamples of utterances as those of the scores. A line is a summary;
where the curve is bent its slope is that of the strengths that were chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal, NamedTuple

import numpy as np

from components.metrics.bootstrap import Estimate, FloatArray, bootstrap_interval
from components.metrics.corpus_statistics import CorpusStatistics
from components.metrics.null_distributions import two_sided_p
from components.metrics.significance import correct_holm
from components.perturbation.config import PerturbationConfig
from components.perturbation.strengths import STRENGTHS, Strength
from components.records import Record

Robustness = Literal["more robust", "less robust", "not told apart", "too few"]


@dataclass(frozen=True)
class Conditions:
    """What a system's graph is set to.

    Attributes:
        strengths: NODE.SETTING of perturbations -> amount; None is no perturbation.
        settings: NODE.SETTING of everything else that was set -> value, as text.
    """

    strengths: Mapping[str, float | None]
    settings: Mapping[str, str]


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
    """The slope of a curve less that of the baseline's; ``p`` is two-sided, ``p_holm`` corrected."""

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
    signature: str

    @property
    def strength(self) -> Strength:
        """How the axis is called, and in which steps slopes are stated."""
        return STRENGTHS[self.axis.rpartition(".")[2]]


class _Curve(NamedTuple):
    """A curve's label, and its systems with their strengths, weakest first."""

    label: str
    systems: tuple[tuple[float | None, str], ...]


def measure_degradation(
    conditions: Mapping[str, Conditions],
    tables: Mapping[str, Mapping[str, CorpusStatistics]],
    baseline: str,
) -> tuple[Degradation, ...]:
    """The curves of every metric over every axis on which some systems differ in strength alone.

    Args:
        conditions: system -> what its graph is set to.
        tables: system -> metric -> statistics.
        baseline: the system whose curve the others are tested against.
    """
    axes = dict.fromkeys(axis for of in conditions.values() for axis in of.strengths)
    return tuple(
        _measure(axis, metric, curves, tables, baseline)
        for axis in axes
        if (curves := _find_curves(axis, conditions))
        for metric in tables[baseline]
        if all(metric in tables[system] for curve in curves for _, system in curve.systems)
    )


def _find_curves(axis: str, conditions: Mapping[str, Conditions]) -> list[_Curve]:
    """Groups of systems that differ on this axis alone, with two different amounts or more."""
    groups: dict[tuple[tuple[str, str], ...], list[tuple[float | None, str]]] = {}
    for system, of in conditions.items():
        if axis in of.strengths:
            rest = {**of.settings, **{k: str(v) for k, v in of.strengths.items() if k != axis}}
            groups.setdefault(tuple(sorted(rest.items())), []).append((of.strengths[axis], system))
    groups = {rest: members for rest, members in groups.items() if _is_curve([x for x, _ in members])}
    varying = _varying_settings([dict(rest) for rest in groups])
    worse = STRENGTHS[axis.rpartition(".")[2]].worse
    return [
        _Curve(
            _label({key: dict(rest).get(key, "") for key in varying}),
            tuple(sorted(members, key=lambda member: -np.inf if member[0] is None else worse * member[0])),
        )
        for rest, members in groups.items()
    ]


def _is_curve(strengths: Sequence[float | None]) -> bool:
    numbers = [strength for strength in strengths if strength is not None]
    return len(set(numbers)) > 1 and len(set(strengths)) == len(strengths)


def _varying_settings(groups: Sequence[Mapping[str, str]]) -> list[str]:
    keys = dict.fromkeys(key for group in groups for key in group)
    return [key for key in keys if len({group.get(key) for group in groups}) > 1]


def _label(varying: Mapping[str, str]) -> str:
    """The values by which a curve differs from the others; models without the part before the colon."""
    values = {key: value.rpartition(":")[2] or "default" for key, value in varying.items()}
    if len(values) == 1:
        return next(iter(values.values()))
    return ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in values.items()) or "all"


def _measure(
    axis: str,
    metric: str,
    curves: Sequence[_Curve],
    tables: Mapping[str, Mapping[str, CorpusStatistics]],
    baseline: str,
) -> Degradation:
    systems = [system for curve in curves for _, system in curve.systems]
    shared = reduce(
        lambda ids, system: ids & set(tables[system][metric].ids), systems, set(tables[baseline][metric].ids)
    )
    ids = [key for key in tables[baseline][metric].ids if key in shared]
    aligned = {system: tables[system][metric].subset(ids) for system in systems}
    first = next((n for n, curve in enumerate(curves) if baseline in dict(curve.systems).values()), 0)
    strength = STRENGTHS[axis.rpartition(".")[2]]
    slopes = [_slope(curve, strength, aligned) for curve in curves]
    a_table = aligned[systems[0]]
    return Degradation(
        axis=axis,
        metric=metric,
        higher_is_better=a_table.metric.higher_is_better,
        curves=tuple(_draw(curve, slope, aligned) for curve, slope in zip(curves, slopes, strict=True)),
        differences=_compare(curves, slopes, first, higher_is_better=a_table.metric.higher_is_better),
        n=len(ids),
        signature=f"{a_table.signature}|least-squares|paired-bs:{len(slopes[0].resampled)}|two-sided",
    )


class _Slope(NamedTuple):
    value: float
    resampled: FloatArray


def _slope(curve: _Curve, strength: Strength, tables: Mapping[str, CorpusStatistics]) -> _Slope:
    """Change per step of worsening, of all utterances and of each resample."""
    numbered = [(x, tables[system]) for x, system in curve.systems if x is not None]
    x = np.array([number for number, _ in numbered], np.float64)
    centered = x - x.mean()
    weights = strength.worse * strength.step * centered / np.square(centered).sum()
    value = float(sum(w * table.score() for w, (_, table) in zip(weights, numbered, strict=True)))
    resampled = sum(
        (w * table.resample_scores() for w, (_, table) in zip(weights, numbered, strict=True)),
        start=np.zeros(1),
    )
    return _Slope(value, resampled)


def _draw(curve: _Curve, slope: _Slope, tables: Mapping[str, CorpusStatistics]) -> DegradationCurve:
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
    curves: Sequence[_Curve], slopes: Sequence[_Slope], first: int, *, higher_is_better: bool
) -> tuple[SlopeDifference, ...]:
    """Tests of every slope against that of the curve number ``first``, corrected over the curves."""
    base = slopes[first]
    others = [
        (curve.label, slope)
        for n, (curve, slope) in enumerate(zip(curves, slopes, strict=True))
        if n != first
    ]
    differences = [(slope.value - base.value, slope.resampled - base.resampled) for _, slope in others]
    p_values = [
        two_sided_p(resampled - value, value) if len(resampled) else None for value, resampled in differences
    ]
    return tuple(
        SlopeDifference(
            label=label,
            baseline=curves[first].label,
            difference=Estimate(value=value, interval=bootstrap_interval(resampled, value)),
            p=p,
            p_holm=corrected,
            verdict=_verdict(corrected, value if higher_is_better else -value),
        )
        for (label, _), (value, resampled), p, corrected in zip(
            others, differences, p_values, correct_holm(p_values), strict=True
        )
    )


def _verdict(p: float | None, gain: float) -> Robustness:
    if p is None:
        return "too few"
    if p >= 0.05:
        return "not told apart"
    return "more robust" if gain > 0 else "less robust"


def read_conditions(nodes: Mapping[str, tuple[str, Mapping[str, object]]]) -> Conditions:
    """What the nodes of a graph are set to: strengths of perturbations, and everything else.

    Args:
        nodes: name -> kind, and its settings as NAME or OUTER.INNER -> value.
    """
    strengths: dict[str, float | None] = {}
    settings: dict[str, str] = {}
    for name, (kind, values) in nodes.items():
        settings[f"{name}.kind"] = kind
        for key, value in values.items():
            if kind != "perturb" or key not in STRENGTHS:
                settings[f"{name}.{key}"] = str(value)
        if kind == "perturb":
            for key in STRENGTHS:
                value = values.get(key, PerturbationConfig.model_fields[key].default)
                strengths[f"{name}.{key}"] = None if value is None else float(str(value))
    return Conditions(strengths, settings)
