"""Plots of a comparison: quality against cost, differences to the baseline."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from components.analysis.comparing.comparison import Comparison
from components.metrics.statistics.significance import Difference
from components.metrics.table import label_of
from reports.escaping import to_printable
from reports.plots.degradation_plots import draw_degradations
from reports.plots.figures import new_axes, plot_style, save_figures, to_data_uri

TITLES = {
    "quality_cost": "Quality against cost",
    "differences": "Differences to the baseline",
}


def draw_figures(comparison: Comparison) -> dict[str, Figure]:
    """The plots of scores and cost by file name."""
    if comparison.ranking is None:
        return {}
    figures = {"quality_cost": _quality_cost(comparison)}
    if _ranked(comparison):
        figures["differences"] = _differences(comparison)
    return figures


def draw_pictures(comparison: Comparison) -> tuple[tuple[str, str], ...]:
    """Title and picture (as a data URI) of every plot."""
    return tuple((TITLES[name], to_data_uri(figure)) for name, figure in draw_figures(comparison).items())


def save_plots(comparison: Comparison, folder: Path) -> list[Path]:
    """Write every plot as SVG and PNG, those of degradation among them; returns the files."""
    degradations = list(draw_degradations(comparison.degradations))
    figures = draw_figures(comparison) | {name: figure for name, _, figure in degradations}
    titles = TITLES | {name: title for name, title, _ in degradations}
    with plot_style():
        return save_figures(figures, titles, folder)


def _quality_cost(comparison: Comparison) -> Figure:
    name = str(comparison.ranking)
    with plot_style():
        figure, plot = new_axes(3.2)
        points = [
            (row.cost.seconds, row.scores[name].value, row) for row in comparison.rows if name in row.scores
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


def _ranked(comparison: Comparison) -> list[Difference]:
    """Differences to the baseline in the metric that ranks."""
    return [
        difference
        for difference in comparison.differences
        if (difference.metric, difference.baseline) == (comparison.ranking, comparison.baseline)
    ]


def _differences(comparison: Comparison) -> Figure:
    differences = _ranked(comparison)
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
