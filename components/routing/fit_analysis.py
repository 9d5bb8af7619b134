"""What a route has learned, as a table and a plot: the stage of kind ``fit_route``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from typing_extensions import override

from components.analysis.analysis import Result
from components.analysis.table import Plot, Table
from components.metrics.table import label_of
from components.routing.curve import CostQuality
from components.routing.route_fit import FIT_ROUTE, ROUTE_FILE, RouteFit
from components.routing.summary import describe_fit, gained_share

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARES = 10
"""Steps of the table: 0%, 10% ... 100%."""


class LearnedRoute(Result[RouteFit]):
    """What a route has learned: a cost-quality curve, where both tiers and references were known."""

    kind, file, record = FIT_ROUTE, ROUTE_FILE, RouteFit
    noun, remedy = "a learned route", "learn it again"

    @override
    def tables(self, findings: RouteFit) -> list[Table]:
        note = f"{'. '.join(describe_fit(findings))}."
        if findings.curve is None:
            return [Table("Learned route", note)]
        note += (
            " Random: mean and 95% of random orders of the utterances. Oracle: those that gain most go "
            "first. The threshold was chosen on these same utterances."
        )
        title = f"{label_of(findings.curve.metric)} by share escalated"
        plot = Plot("cost_quality", title, partial(_draw, findings))
        return [Table("Learned route", note, tuple(build_rows(findings, findings.curve)), (plot,))]


LEARNED_ROUTE = LearnedRoute()


def _draw(fit: RouteFit) -> Figure:
    from components.routing.plots import draw_cost_quality  # noqa: PLC0415 - imports matplotlib

    return draw_cost_quality(fit)


def build_rows(fit: RouteFit, curve: CostQuality) -> Iterator[dict[str, str]]:
    """Yield the curve at steps of 10%, and the point that was chosen."""
    last = len(curve.points) - 1
    for step in sorted({round(last * number / SHARES) for number in range(SHARES + 1)}):
        point = curve.points[step]
        low, high = point.band
        yield _row(fit, point.share, point.quality) | {
            "random": f"{point.random:.2f} ({low:.2f} to {high:.2f})",
            "oracle": f"{point.oracle:.2f}",
        }
    if fit.quality is not None:
        share = gained_share(fit)
        yield _row(fit, fit.share, fit.quality) | {"of the gain": "" if share is None else f"{share:.0%}"}


def _row(fit: RouteFit, share: float, quality: float) -> dict[str, str]:
    assert fit.curve is not None
    return {"escalated": f"{share:.0%}", label_of(fit.curve.metric): f"{quality:.2f}"}
