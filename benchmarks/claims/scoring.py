"""Kept statistics as tables of pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.claims.outputs import Outputs
from benchmarks.common.tables import format_interval, markdown_table
from components.claims.verdict import Result


def score_sections(
    outputs: Outputs,
    sets: Iterable[str],
    title: str = "Scores",
    metrics: Sequence[str] = ("bleu", "chrf"),
) -> list[str]:
    """A heading, and below it one with the table of every system for each set."""
    lines = [f"## {title}", ""]
    for data in sets:
        lines += [f"### {data}", "", score_table(outputs, data, metrics), ""]
    return lines


def difference_table(results: Iterable[tuple[str, Result]], header: Sequence[str]) -> str:
    """Results by name: difference, 95% interval, and as a fourth column the smallest that would be seen."""
    rows = []
    for name, result in results:
        low, high = result.interval
        cells = (name, f"{result.difference:+.2f}", f"{low:+.2f} to {high:+.2f}", f"{result.detectable:.2f}")
        rows.append(cells[: len(header)])
    return markdown_table(header, rows)


def score_table(outputs: Outputs, data: str, metrics: Sequence[str] = ("bleu", "chrf")) -> str:
    """Every system on a set: mean over seeds, their range, and the 95% interval over sentences."""
    rows = []
    for system in outputs.names(data):
        seeds = outputs.seeds(system, data)
        cells = [system, str(len(seeds))]
        for metric in metrics:
            tables = [outputs.statistics(data, system, seed, metric) for seed in seeds]
            scores = [table.score() for table in tables]
            spread = f" ({min(scores):.1f} to {max(scores):.1f})" if len(scores) > 1 else ""
            mean = replace(tables[0], rows=np.mean([table.rows for table in tables], axis=0))
            interval = mean.to_score().interval
            cells.append(f"{np.mean(scores):.2f}{spread}{format_interval(interval, ' [{:.1f}, {:.1f}]')}")
        rows.append(cells)
    n = len(outputs.ids[data])
    note = f"{n:,} of {n:,} sentences; mean over seeds (their range) [95% over sentences]."
    return "\n".join((note, "", markdown_table(("system", "seeds", *metrics), rows)))
