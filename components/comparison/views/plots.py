"""Plots of a comparison: quality against cost, differences to the baseline."""

from __future__ import annotations

from matplotlib.figure import Figure

from components.analysis.figures import new_axes, plot_style
from components.comparison.comparison import Comparison
from components.metrics.table import label_of
from components.text.escaping import to_printable


def _quality_cost(comparison: Comparison) -> Figure:
    name = str(comparison.ranking)
    with plot_style():
        figure, plot = new_axes(3.2)
        points = [
            (row.cost.seconds, row.scores[name].value, row)
            for row in comparison.rows
            if name in row.scores and row.cost.is_known
        ]
        front = sorted((x, y) for x, y, row in points if row.pareto)
        plot.plot([x for x, _ in front], [y for _, y in front], color="#9aa4af", linewidth=1, zorder=1)
        for x, y, row in points:
            low, high = row.scores[name].interval or (y, y)
            plot.errorbar(
                x, y, [[y - low], [high - y]], fmt="o", color="#3d83d6" if row.pareto else "#9aa4af"
            )
            plot.annotate(to_printable(row.system)[:24], (x, y), xytext=(6, 5), textcoords="offset points")
        plot.set(xlabel="seconds of computing", ylabel=label_of(name))
        plot.margins(x=0.25, y=0.15)
        plot.grid()
    return figure


def _differences(comparison: Comparison) -> Figure:
    differences = comparison.ranked_differences
    with plot_style():
        figure, plot = new_axes(1.0 + 0.36 * len(differences))
        for position, difference in enumerate(differences):
            sign = 1 if difference.higher_is_better else -1
            low, high = sorted(
                sign * end for end in difference.interval or (difference.difference, difference.difference)
            )
            value = sign * difference.difference
            color = "#3d83d6" if difference.verdict in ("better", "worse") else "#9aa4af"
            plot.errorbar(value, position, xerr=[[value - low], [high - value]], fmt="o", color=color)
        plot.axvline(0, color="#7d8590", linewidth=1)
        plot.set_yticks(
            range(len(differences)), [to_printable(difference.system)[:24] for difference in differences]
        )
        plot.invert_yaxis()
        plot.margins(y=0.3)
        plot.set_xlabel(f"better by so many points of {label_of(str(comparison.ranking))}")
        plot.grid(axis="x")
    return figure


FIGURES = {"quality_cost": _quality_cost, "differences": _differences}
"""Name of a plot -> what draws it."""
