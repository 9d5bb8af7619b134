"""The curve of latency and quality."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.analysis.figures import new_axes, plot_style
from components.text.escaping import to_printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from components.simultaneous.evaluation import Simultaneous

_COLORS = ("#3d83d6", "#3c9d6b", "#d6813d", "#8a5cc4", "#c4545c")


def draw_curve(findings: Simultaneous) -> Figure:
    """Return score over YAAL, a line for each set of policies; dashed: everything heard first."""
    with plot_style():
        figure, plot = new_axes(3.2)
        name = ""
        groups: dict[str, list[tuple[float, float, tuple[float, float]]]] = {}
        for point in findings.points:
            if point.scores and "yaal" in point.heard:
                score, name = point.scores[0], point.scores[0].name
                interval = score.interval or (score.value, score.value)
                own = point.title.rpartition(",")[0] or point.title
                groups.setdefault(own, []).append((point.heard["yaal"].value, score.value, interval))
        for number, (title, points) in enumerate(groups.items()):
            points.sort()
            x, y = [each[0] for each in points], [each[1] for each in points]
            margins = [[v - i[0] for _, v, i in points], [i[1] - v for _, v, i in points]]
            color = _COLORS[number % len(_COLORS)]
            plot.errorbar(x, y, margins, fmt="o-", color=color, markersize=4, label=to_printable(title)[:40])
        offline = next((s.value for s in findings.offline if s.name == name), None)
        if offline is not None:
            plot.axhline(offline, linestyle="--", linewidth=1, color="#9aa4af")
        plot.set(xlabel="YAAL in seconds of sound", ylabel=to_printable(name)[:40])
        plot.grid()
        if groups:
            plot.legend(frameon=False)
    return figure
