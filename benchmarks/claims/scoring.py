"""Kept statistics as comparisons, and as tables of pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.claims.outputs import Outputs
from benchmarks.common.tables import format_interval, markdown_table
from components.claims.statistics.measuring import by_metrics, two_level
from components.claims.verdict import Measured, Result
from components.metrics.statistics.corpus_statistics import CorpusStatistics

METRICS = ("bleu", "chrf")
Arm = str | Sequence[tuple[str, int]]
"""A system over the seeds of a comparison, or pairs of a system and its seed."""


def compare_systems(
    outputs: Outputs,
    data: str | Sequence[str],
    system: Arm,
    baseline: Arm,
    seeds: Sequence[int] = (),
    *,
    metrics: Sequence[str] = METRICS,
    refused: Sequence[str] = (),
    **how: Any,
) -> Measured:
    """The first minus the second over seeds and sentences, by each metric; several sets are one corpus.

    ``how`` is what :func:`two_level` takes further.
    """

    def of(arm: Arm, metric: str) -> list[CorpusStatistics]:
        pairs = [(arm, seed) for seed in seeds] if isinstance(arm, str) else arm
        if isinstance(data, str):
            return [outputs.statistics(data, *pair, metric) for pair in pairs]
        return [outputs.joined(data, *pair, metric) for pair in pairs]

    return by_metrics(metrics, lambda m: two_level(of(system, m), of(baseline, m), **how), refused)


def score_sections(
    outputs: Outputs, sets: Iterable[str], title: str = "Scores", metrics: Sequence[str] = METRICS
) -> list[str]:
    """A heading, and below it one with the table of every system for each set."""
    lines = [f"## {title}"]
    for data in sets:
        lines += [f"### {data}", score_table(outputs, data, metrics)]
    return lines


def difference_table(results: Iterable[tuple[str, Result]], header: Sequence[str]) -> str:
    """Results by name: difference, 95% interval, and as a fourth column the smallest that would be seen."""
    rows = []
    for name, result in results:
        low, high = result.interval
        cells = (name, f"{result.difference:+.2f}", f"{low:+.2f} to {high:+.2f}", f"{result.detectable:.2f}")
        rows.append(cells[: len(header)])
    return markdown_table(header, rows)


def score_table(outputs: Outputs, data: str, metrics: Sequence[str] = METRICS) -> str:
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
    return f"{note}\n\n{markdown_table(('system', 'seeds', *metrics), rows)}"
