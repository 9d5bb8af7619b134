"""The plot of a design: score over cost, with intervals, the front joined by a line."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from components.analysis.figures import new_axes, plot_style
from components.design.study import CandidateRecord, Design
from components.text.escaping import to_printable

_ACCENT, _PALE, _LINE = "#3d83d6", "#9aa4af", "#3c9d6b"


def draw_front(design: Design) -> Figure:
    """Return the systems that were measured on data that the search never saw."""
    with plot_style():
        figure, plot = new_axes(3.4)
        measured = [each for each in design.candidates if each.score is not None]
        for each in measured:
            value, (low, high) = _interval(each)
            color = _ACCENT if each.state == "front" else _PALE
            plot.errorbar(
                _cost(design, each),
                value,
                [[value - low], [high - value]],
                fmt="o",
                color=color,
                markersize=4,
            )
        steps = [(_cost(design, each), _interval(each)[0]) for each in map(design.candidate, design.front)]
        plot.plot([x for x, _ in steps], [y for _, y in steps], color=_LINE, linewidth=1, zorder=1)
        if design.recommended is not None:
            each = design.candidate(design.recommended)
            point = _cost(design, each), _interval(each)[0]
            name = to_printable(each.templates)[:40]
            plot.annotate(name, point, xytext=(6, 6), textcoords="offset points")
        plot.set_xscale("log")
        plot.xaxis.set_major_formatter("{x:g}")
        plot.xaxis.set_minor_formatter("{x:g}" if _spread(design, measured) < 10 else "")
        plot.set(xlabel=design.cost.replace("_", " "), ylabel=to_printable(design.metric)[:40])
        plot.grid()
    return figure


def _spread(design: Design, measured: Sequence[CandidateRecord]) -> float:
    costs = [_cost(design, each) for each in measured]
    return max(costs) / min(costs)


def _cost(design: Design, each: CandidateRecord) -> float:
    return max(float(getattr(each.costs, design.cost)), 1e-9)


def _interval(each: CandidateRecord) -> tuple[float, tuple[float, float]]:
    assert each.score is not None
    return each.score.value, each.score.interval or (each.score.value, each.score.value)
