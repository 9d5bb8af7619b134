"""The differences of primary comparisons with their intervals, as one picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from components.claims.claim import Claim
from components.claims.verdict import Row, Verdict, Word
from components.files.files import write_atomically

COLORS: dict[Word, str] = {
    "holds": "#1a7f37",
    "mixed": "#9a6700",
    "depends on the metric": "#9a6700",
    "not shown": "#6e7781",
    "contradicted": "#cf222e",
    "cannot answer": "#8c959f",
    "not measured": "#d0d7de",
}
"""Answer -> color; the words stand beside it, so nobody needs to tell colors apart."""


def draw_forest(verdicts: Sequence[tuple[Claim, Verdict]], path: Path) -> None:
    """Write an SVG with a line for every comparison that has a measured difference.

    Each difference is divided by half the width of its interval and turned so that the expected side is
    right: metrics of all units share an axis, and what lies right of 1 excludes 0. The numbers stand beside
    it. The same verdicts make the same bytes.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from components.analysis.figures import plot_style

    rows = [
        (claim, verdict, row)
        for claim, verdict in verdicts
        for row in verdict.rows
        if row.role == "primary" and row.measured and row.measured.by_metric
    ]
    with plot_style(), rc_context({"svg.fonttype": "none", "svg.hashsalt": "antiphon"}):
        figure = Figure(figsize=(10, 0.3 * len(rows) + 0.5))
        axes = figure.add_axes((0.42, 0.04, 0.22, 0.94))
        axes.axvline(0, color="#d0d7de")
        axes.set_xlim(-4, 4)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_yticks([])
        axes.set_xticks([-1, 0, 1])
        axes.set_xticklabels(["against", "0", "as claimed"], fontsize=7)
        for n, (claim, verdict, row) in enumerate(rows):
            color = COLORS[verdict.word]
            texts = []
            for k, (metric, result) in enumerate(row.measured.by_metric.items() if row.measured else ()):
                centre, low, high = _scaled(row, metric)
                y = n + 0.25 * k - 0.12
                axes.plot([low, high], [y, y], color=color, linewidth=1.2)
                axes.plot(centre, y, "os^"[k % 3], color=color, markersize=4)
                texts.append(f"{result.difference:+.3g} {metric}")
            figure.text(0.415, _y(n, len(rows)), claim.claim[:78], ha="right", va="center", fontsize=7)
            words = f"{verdict.word}: {', '.join(texts)}"
            figure.text(0.645, _y(n, len(rows)), words, ha="left", va="center", fontsize=7, color=color)
        content = io.BytesIO()
        figure.savefig(content, format="svg", facecolor="white", metadata={"Date": None})
    write_atomically(path, content.getvalue())


def _y(n: int, rows: int) -> float:
    """Height of a row in parts of the figure."""
    return 0.04 + 0.94 * (1 - (n + 0.5) / rows)


def _scaled(row: Row, metric: str) -> tuple[float, float, float]:
    """Difference and interval in half widths of the interval, the expected side right."""
    assert row.measured
    result, sign = row.measured.by_metric[metric], row.comparison.sign(metric) or 1
    low, high = result.interval
    half = max((high - low) / 2, 1e-12)
    values = [max(-4.0, min(4.0, sign * value / half)) for value in (result.difference, low, high)]
    return values[0], *sorted(values[1:])  # type: ignore[return-value]
