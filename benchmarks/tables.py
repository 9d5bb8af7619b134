"""Cells and tables of the results: a score with its interval, a difference with its p, markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from components.metrics.significance import Difference
from components.records import Score


def score_cell(score: Score) -> str:
    """``39.25 (37.6-40.8)``."""
    if score.interval is None:
        return f"{score.value:.2f}"
    return f"{score.value:.2f} ({score.interval[0]:.1f}-{score.interval[1]:.1f})"


def difference_cell(difference: Difference | None) -> str:
    """``+1.10 (+0.5 to +1.7), p 0.002``; p is corrected where several were compared."""
    if difference is None:
        return "baseline"
    low, high = difference.interval
    return f"{difference.difference:+.2f} ({low:+.1f} to {high:+.1f}), p {difference.p_holm:.3f}"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
