"""Learned routes in the report: a cost-quality curve each, as a table and a plot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from components.metrics.table import label_of
from components.routing.curve import CostQuality
from components.routing.route_fit import TRAIN_ROUTE, RouteFit, read_route_fit
from components.routing.summary import describe_fit, gained_share
from components.run_record import RunRecord
from reports.escaping import to_printable
from reports.views.sections import Section

SHARES = 10
"""Steps of the table: 0%, 10% ... 100%."""


def build_sections(run: RunRecord) -> list[Section]:
    """A section for each route that the run has learned."""
    return [
        build_section(ref.stage, read_route_fit(Path(ref.path)))
        for ref in run.stages
        if ref.kind == TRAIN_ROUTE
    ]


def build_section(node: str, fit: RouteFit) -> Section:
    """What a node has learned; with a curve where both rungs and references were known."""
    title, note = f"Route learned by {to_printable(node)}", f"{'. '.join(describe_fit(fit))}."
    if fit.curve is None:
        return Section(title, note)
    from reports.plots.cost_quality_plots import draw_cost_quality  # noqa: PLC0415 - imports matplotlib
    from reports.plots.figures import to_data_uri  # noqa: PLC0415 - imports matplotlib

    picture = (f"{label_of(fit.curve.metric)} by share escalated", to_data_uri(draw_cost_quality(fit)))
    note += (
        " Random: mean and 95% of random orders of the utterances. Oracle: those that gain most go first. "
        "The threshold was chosen on these same utterances."
    )
    return Section(title, note, tuple(build_rows(fit, fit.curve)), (picture,))


def build_rows(fit: RouteFit, curve: CostQuality) -> Iterator[dict[str, str]]:
    """The curve at steps of 10%, and the point that was chosen."""
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
