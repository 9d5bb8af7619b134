"""The verdicts of all claims as one small picture, for README."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from benchmarks.claims.claim import Verdict
from components.files.files import write_atomically

COLORS: dict[Verdict, str] = {
    "holds": "#1a7f37",
    "holds here with limits": "#9a6700",
    "not shown": "#6e7781",
    "contradicted": "#cf222e",
    "not measured": "#d0d7de",
}
"""Verdict -> color; the words stand beside it, so nobody needs to tell colors apart."""


def draw_verdicts(verdicts: Sequence[tuple[str, Verdict]], path: Path) -> None:
    """Write an SVG with a line for every claim that has a verdict, and the number of the others.

    Args:
        verdicts: claims and their verdicts.
        path: of the picture; the same verdicts make the same bytes.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from components.analysis.figures import plot_style

    order = list(COLORS)
    rows = sorted((row for row in verdicts if row[1] != "not measured"), key=lambda row: order.index(row[1]))
    others = len(verdicts) - len(rows)
    if others:
        rows.append((f"{others} claims with their designs, registered before any run", "not measured"))
    with plot_style(), rc_context({"svg.fonttype": "none"}):
        figure = Figure(figsize=(8.4, 0.21 * len(rows) + 0.2))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, 100)
        axes.set_ylim(len(rows), -1)
        for n, (claim, verdict) in enumerate(rows):
            axes.plot(2, n, "o", color=COLORS[verdict], markersize=7)
            axes.text(4, n, verdict, va="center", fontsize=8, color="#57606a")
            axes.text(24, n, claim, va="center", fontsize=8, color="#24292f")
        content = io.BytesIO()
        figure.savefig(content, format="svg", facecolor="white", metadata={"Date": None})
    write_atomically(path, content.getvalue())
