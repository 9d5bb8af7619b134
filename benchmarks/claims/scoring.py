"""Kept statistics as scores and as results: differences over seeds and items."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.claims.outputs import Outputs
from benchmarks.claims.verdict import Result
from benchmarks.common.seed_bootstrap import ItemSums, TwoLevelEstimate, two_level_bootstrap
from benchmarks.common.tables import format_interval, markdown_table
from benchmarks.common.two_level import Arms, two_level_test
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.statistics.corpus_statistics import CorpusStatistics


def two_level(
    system: Sequence[CorpusStatistics],
    baseline: Sequence[CorpusStatistics],
    *,
    paired: bool = True,
    replicates: str = "seeds",
    items: str = "sentences",
) -> Result:
    """The first minus the second, over replicates (seeds) and sentences."""
    return over_tasks([(system, baseline)], paired=paired, replicates=replicates, items=items)


def over_tasks(
    arms: Sequence[Arms], *, paired: bool = True, replicates: str = "seeds", items: str = "sentences"
) -> Result:
    """The mean over tasks (languages, say) of the first minus the second, over replicates and items."""
    test = two_level_test(arms, paired_seeds=paired)
    if test.interval is None or test.p is None or test.detectable is None:
        raise ValueError(f"expected at least 10 items, found {test.n}")
    over = f"{test.seeds} {replicates} x {test.n:,} {items}"
    return Result(
        difference=test.difference, interval=test.interval, p=test.p, detectable=test.detectable, over=over
    )


def of_sums(sums: ItemSums | Sequence[ItemSums], over: str, *, paired: bool = True) -> Result:
    """The same for any score of sums over items: nats a token, a share of right choices."""
    estimate: TwoLevelEstimate = two_level_bootstrap(sums, paired_seeds=paired)
    if estimate.interval is None or estimate.p is None or estimate.detectable is None:
        raise ValueError("expected at least 10 items")
    return Result(
        difference=estimate.difference,
        interval=estimate.interval,
        p=estimate.p,
        detectable=estimate.detectable,
        over=over,
    )


def gain_difference(first: Arms, second: Arms, *, replicates: str = "seeds") -> Result:
    """What the first pair of arms gains (system less baseline) less what the second pair gains."""
    tables = [*first[0], *first[1], *second[0], *second[1]]
    if any(table.ids != tables[0].ids or table.signature != tables[0].signature for table in tables):
        raise ValueError("expected the same sentences and protocol in all arms")
    metric, width = tables[0].metric, tables[0].rows.shape[1]

    def rows(arms: Arms) -> FloatArray:
        pairs = zip(*arms, strict=True)
        return np.stack([np.concatenate([a.rows, b.rows], axis=1) for a, b in pairs])

    def gain(sums: FloatArray) -> FloatArray:
        return np.asarray(metric.score(sums[..., :width]) - metric.score(sums[..., width:]))

    over = f"{len(first[0])} {replicates} x {len(tables[0].ids):,} sentences"
    return of_sums(ItemSums(gain, rows(first), rows(second)), over)


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
