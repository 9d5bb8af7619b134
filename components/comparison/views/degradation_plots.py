"""Plots of degradation: score over the strength of a perturbation, a curve per system, worse to the right."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from components.analysis.figures import new_axes, plot_style
from components.comparison.strengths.degradation import Degradation, DegradationCurve
from components.metrics.table import label_of
from components.text.escaping import to_printable

_COLORS = ("#3d83d6", "#d9822b", "#3c9d6b", "#a05fc4", "#c9504c", "#7d8590")
_CLEAN_GAP = 0.2
"""Distance of the clean input from the weakest perturbation, as a share of the axis."""


def draw_degradation(degradation: Degradation) -> Figure:
    """Draw the curves of an axis and metric."""
    strength = degradation.strength
    numbers = sorted(
        {
            strength.scale * point.strength
            for curve in degradation.curves
            for point in curve.points
            if point.strength is not None
        }
    )
    clean = _clean_position(numbers, strength.worse)
    with plot_style():
        figure, plot = new_axes(3.2)
        for number, curve in enumerate(degradation.curves):
            _draw_curve(plot, curve, _COLORS[number % len(_COLORS)], strength.scale, clean)
        has_clean = any(point.strength is None for curve in degradation.curves for point in curve.points)
        ticks = [clean] * has_clean + numbers
        plot.set_xticks(ticks, ["clean"] * has_clean + [f"{number:g}" for number in numbers])
        if strength.worse < 0:
            plot.invert_xaxis()
        plot.set(xlabel=strength.label, ylabel=label_of(degradation.metric))
        plot.grid(axis="y")
        plot.legend(frameon=False)
    return figure


def _clean_position(numbers: Sequence[float], worse: int) -> float:
    """Return where the clean input stands: beside the weakest perturbation."""
    gap = _CLEAN_GAP * (numbers[-1] - numbers[0])
    return numbers[0] - gap if worse > 0 else numbers[-1] + gap


def _draw_curve(plot: object, curve: DegradationCurve, color: str, scale: float, clean: float) -> None:
    x = [clean if point.strength is None else scale * point.strength for point in curve.points]
    y = [point.score.value for point in curve.points]
    ends = [point.score.interval or (point.score.value,) * 2 for point in curve.points]
    errors = [
        [value - end[0] for value, end in zip(y, ends, strict=True)],
        [end[1] - value for value, end in zip(y, ends, strict=True)],
    ]
    label = to_printable(curve.label)[:40]
    plot.errorbar(x, y, errors, fmt="o-", color=color, capsize=2, label=label)  # type: ignore[attr-defined]
