"""Plot of quality against the share that escalates: by doubt, at random, and with perfect knowledge."""

from __future__ import annotations

from matplotlib.figure import Figure

from components.analysis.figures import new_axes, plot_style
from components.metrics.table import label_of
from components.routing.route_fit import RouteFit
from components.text.escaping import to_printable

_DOUBT, _ORACLE, _RANDOM = "#3d83d6", "#3c9d6b", "#7d8590"


def draw_cost_quality(fit: RouteFit) -> Figure:
    """Return the curve of a learned route that has one, with the point that was chosen."""
    assert fit.curve is not None and fit.quality is not None
    points = fit.curve.points
    shares = [100 * point.share for point in points]
    with plot_style():
        figure, plot = new_axes(3.2)
        low, high = zip(*(point.band for point in points), strict=True)
        plot.fill_between(shares, low, high, color=_RANDOM, alpha=0.2, linewidth=0)
        plot.plot(shares, [point.random for point in points], color=_RANDOM, label="random, 95%")
        plot.plot(shares, [point.oracle for point in points], color=_ORACLE, linestyle="--", label="oracle")
        label = to_printable(f"by {fit.by}")[:40]
        plot.plot(shares, [point.quality for point in points], color=_DOUBT, label=label)
        plot.plot([100 * fit.share], [fit.quality], "o", color=_DOUBT, markersize=7)
        plot.set(xlabel="escalated (%)", ylabel=label_of(fit.curve.metric), xlim=(-2, 102))
        plot.grid()
        plot.legend(frameon=False)
    return figure
