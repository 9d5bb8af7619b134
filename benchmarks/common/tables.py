"""Cells and tables of the results: a score with its interval, a difference with its p, markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from components.metrics.statistics.bootstrap import Interval
from components.metrics.statistics.proportions import wilson_interval
from components.metrics.statistics.significance import Difference
from components.run_record import Score

Columns = Mapping[str, str]


def format_score(score: Score) -> str:
    """``39.25 (37.6-40.8)``."""
    return f"{score.value:.2f}{format_interval(score.interval, ' ({:.1f}-{:.1f})')}"


def format_difference(difference: Difference | None) -> str:
    """``+1.10 (+0.5 to +1.7), p 0.002``; p is corrected where several were compared."""
    if difference is None:
        return "baseline"
    interval = format_interval(difference.interval, " ({:+.1f} to {:+.1f})")
    return f"{difference.difference:+.2f}{interval}, p {format_p_value(difference.p_holm)}"


def format_interval(interval: Interval | None, pattern: str) -> str:
    """The ends of an interval as ``pattern`` writes them; nothing where there were too few utterances."""
    return "" if interval is None else pattern.format(*interval)


def format_p_value(p: float | None) -> str:
    """``0.036``, ``< 0.001``, or that there were too few utterances for one."""
    if p is None:
        return "of too few"
    return f"{p:.3f}" if p >= 0.0005 else "< 0.001"


def format_share(count: int, n: int) -> str:
    """``3 of 72: 4.2% (1.4-11.5)``, with Wilson's interval of 95%; ``n`` is not 0."""
    low, high = wilson_interval(count, n) or (0.0, 1.0)
    return f"{count} of {n}: {count / n:.1%} ({100 * low:.1f}-{100 * high:.1f})"


def one_paragraph(text: str) -> str:
    """A text of several lines as one."""
    return " ".join(text.split())


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def format_rows(rows: Mapping[str, Mapping[str, Any]] | Sequence[Mapping[str, Any]], columns: Columns) -> str:
    """Make a markdown table of one row for each of ``rows``.

    Args:
        rows: Values by name; rows without names have their number, from 1, for a name.
        columns: Header -> pattern of its cells, of the name (``{name}``) and the values of the row.
    """
    named = rows.items() if isinstance(rows, Mapping) else enumerate(rows, start=1)
    cells = ([pattern.format(**{**row, "name": name}) for pattern in columns.values()] for name, row in named)
    return markdown_table(tuple(columns), cells)
