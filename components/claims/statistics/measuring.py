"""Kept statistics as results: differences over replicates and items, metric by metric."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence

import numpy as np

from components.claims.verdict import Measured, Result
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.statistics.seed_bootstrap import ItemSums, TwoLevelEstimate, two_level_bootstrap
from components.metrics.statistics.two_level import Arms, two_level_test

Members = Sequence[Collection[Hashable]]
"""What each replicate was made of, where they share it."""


def by_metrics(
    metrics: Sequence[str], test: Callable[[str], Result], refused: Sequence[str] = ()
) -> Measured:
    """Return a comparison by several metrics, each tested by ``test``."""
    return Measured(by_metric={metric: test(metric) for metric in metrics}, refused=tuple(refused))


def two_level(
    system: Sequence[CorpusStatistics],
    baseline: Sequence[CorpusStatistics],
    *,
    paired: bool = True,
    replicates: str = "seeds",
    items: str = "sentences",
    members: Members | None = None,
) -> Result:
    """Return the first minus the second, over replicates (seeds) and sentences."""
    return over_tasks(
        [(system, baseline)], paired=paired, replicates=replicates, items=items, members=members
    )


def over_tasks(
    arms: Sequence[Arms],
    *,
    paired: bool = True,
    replicates: str = "seeds",
    items: str = "sentences",
    members: Members | None = None,
) -> Result:
    """Average the first minus the second over tasks (languages, say), over replicates and items."""
    test = two_level_test(arms, paired_seeds=paired, members=members)
    if test.interval is None or test.p is None or test.detectable is None:
        raise ValueError(f"expected at least 10 items, found {test.n}")
    over = f"{test.seeds} {replicates} x {test.n:,} {items}"
    return Result(
        difference=test.difference,
        interval=test.interval,
        p=test.p,
        detectable=test.detectable,
        over=over,
        seeds=len(set().union(*members)) if members else test.seeds,
    )


def of_sums(sums: ItemSums | Sequence[ItemSums], over: str, *, members: Members | None = None) -> Result:
    """Return the same for any score of sums over items: nats a token, a share of right choices."""
    estimate: TwoLevelEstimate = two_level_bootstrap(sums, members=members)
    if estimate.interval is None or estimate.p is None or estimate.detectable is None:
        raise ValueError("expected at least 10 items")
    return Result(
        difference=estimate.difference,
        interval=estimate.interval,
        p=estimate.p,
        detectable=estimate.detectable,
        over=over,
        seeds=len(set().union(*members)) if members else len(estimate.values),
    )


def of_both(first: ItemSums, second: ItemSums, over: str, *, members: Members | None = None) -> Result:
    """Return the sum of two differences, which are resampled together; an interaction, say."""
    mean = of_sums([first, second], over, members=members)
    low, high = mean.interval
    return mean.model_copy(
        update={
            "difference": 2 * mean.difference,
            "interval": (2 * low, 2 * high),
            "detectable": 2 * mean.detectable,
        }
    )


def gain_difference(first: Arms, second: Arms, *, replicates: str = "seeds") -> Result:
    """Return what the first pair of arms gains (system less baseline) less what the second pair gains."""
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


def of_rounds(values: Sequence[float], over: str) -> Result:
    """Return the mean of a number that was measured in several rounds, by Student's t.

    Raises:
        ValueError: fewer than 3 rounds.
    """
    from scipy.stats import t as student_t  # noqa: PLC0415 - takes half a second

    n = len(values)
    if n < 3:
        raise ValueError(f"expected at least 3 rounds, found {n}")
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / n**0.5
    half = float(student_t.ppf(0.975, n - 1)) * error
    p = 2 * float(student_t.sf(abs(mean) / error, n - 1)) if error else float(mean == 0)
    detectable = half + float(student_t.ppf(0.8, n - 1)) * error
    return Result(
        difference=mean, interval=(mean - half, mean + half), p=p, detectable=detectable, over=over, seeds=n
    )
