"""Plots of a search over a pipeline: its history, and with two objectives the Pareto front."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from components.analysis.figures import new_axes, plot_style
from components.text.escaping import to_printable
from components.tuning.study import Study, Try, best_so_far

_ACCENT, _PALE, _LINE = "#3d83d6", "#9aa4af", "#3c9d6b"


def _draw_history(study: Study) -> Figure:
    """Return the first objective of every try, and of the best one so far."""
    with plot_style():
        figure, plot = new_axes(3.0)
        pruned = [each for each in study.tries if each.state == "pruned"]
        if pruned:
            numbers, values = zip(*((each.number, each.values[0]) for each in pruned), strict=True)
            plot.plot(numbers, values, "x", color=_PALE, markersize=5, label="pruned, on less data")
        for each in study.complete:
            _draw_point(plot, each.number, each, _ACCENT)
        best = best_so_far(study)
        if best:
            numbers, values = zip(*best, strict=True)
            last = max(each.number for each in study.tries)
            plot.step([*numbers, last], [*values, values[-1]], where="post", color=_LINE, label="best so far")
        plot.set(xlabel="try (0 = as written)", ylabel=_label(study, 0))
        plot.xaxis.set_major_locator(MaxNLocator(integer=True))
        plot.grid()
        plot.legend(frameon=False)
    return figure


def _draw_front(study: Study) -> Figure:
    """Return both objectives of the tries on all data; the front is joined by a line."""
    with plot_style():
        figure, plot = new_axes(3.0)
        front = {each.number for each in study.front}
        for each in study.complete:
            _draw_point(plot, each.values[1], each, _ACCENT if each.number in front else _PALE)
        steps = sorted((each.values[1], each.values[0]) for each in study.front)
        plot.plot([x for x, _ in steps], [y for _, y in steps], color=_LINE, linewidth=1, zorder=1)
        winner = study.winner
        plot.annotate(
            f"try {winner.number}",
            (winner.values[1], winner.values[0]),
            xytext=(6, 6),
            textcoords="offset points",
        )
        plot.set(xlabel=_label(study, 1), ylabel=_label(study, 0))
        plot.grid()
    return figure


def _draw_point(plot: object, x: float, each: Try, color: str) -> None:
    """A try with the interval of its first objective."""
    value = each.values[0]
    low, high = (each.scores[0].interval if each.scores else None) or (value, value)
    plot.errorbar(x, value, [[value - low], [high - value]], fmt="o", color=color, markersize=4, linewidth=1)  # type: ignore[attr-defined]


def _label(study: Study, number: int) -> str:
    name = study.objectives[number].name
    return to_printable({"seconds": "seconds per utterance"}.get(name, name))[:40]


FIGURES = {"history": _draw_history, "front": _draw_front}
"""Name of a plot -> what draws it."""
