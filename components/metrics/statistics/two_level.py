"""Is a method better, whatever the seed? A test over training seeds and test items together.

A score differs between trainings of one method and between samples of items, and a claim about a *method*
must survive both. Items and seeds are resampled together by :mod:`.seed_bootstrap`, whose
docstring says how, and what its coverage is.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from itertools import pairwise

import numpy as np
from pydantic import Field

from components.errors import DataError
from components.metrics.statistics.bootstrap import RESAMPLES, SEED, Interval
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.statistics.seed_bootstrap import ItemSums, TwoLevelEstimate, two_level_bootstrap
from components.records import Record

Arms = tuple[Sequence[CorpusStatistics], Sequence[CorpusStatistics]]
"""Statistics of a method and of its baseline, one for each seed."""


class TwoLevelDifference(Record):
    """``value`` of a method minus that of its baseline, both means over seeds (and tasks).

    ``interval`` (95%) and ``p`` (two-sided) hold for other seeds *and* other items; with one seed in each arm
    for other items only, and the signature says so. Both are None of fewer than 10 items.
    """

    metric: str
    value: float
    baseline_value: float
    difference: float
    interval: Interval | None
    p: float | None = Field(ge=0, le=1)
    p_holm: float | None = Field(default=None, ge=0, le=1, description="set by who corrects a family")
    detectable: float | None = Field(
        ge=0, description="smallest true difference that this test finds in 80% of cases"
    )
    seeds: int = Field(ge=1, description="seeds of the method")
    baseline_seeds: int = Field(ge=1)
    n: int = Field(ge=0, description="items, of all tasks")
    seed_differences: tuple[float, ...] = Field(
        description="seed by seed; of unpaired seeds each less the baseline's mean"
    )
    higher_is_better: bool
    signature: str


def two_level_test(
    arms: Arms | Sequence[Arms],
    *,
    paired_seeds: bool = True,
    members: Sequence[Collection[Hashable]] | None = None,
) -> TwoLevelDifference:
    """Return the first arm minus the second, over seeds and items.

    Args:
        arms: Statistics of the method and of its baseline by seed; or several such pairs, one a task (three
            target languages, two test sets), whose differences are averaged with equal weights. Seeds are the
            same ones, in the same order, in every task.
        paired_seeds: Whether the n-th seeds of both arms belong together (same data order, same start).
            Otherwise the arms may have different numbers of seeds; an arm of one is taken as a fixed model.
        members: What each replicate was made of, where they share it (triples of some models); then members,
            not replicates, are resampled.

    Raises:
        DataError: No statistics, other items or protocols within a task, or numbers of seeds that do not fit.
    """
    tasks = [_align(pair) for pair in _listed(arms)]
    sums = [
        ItemSums(
            system[0].metric.score,
            np.stack([table.rows for table in system]),
            np.stack([table.rows for table in baseline]),
        )
        for system, baseline in tasks
    ]
    estimate = two_level_bootstrap(sums, paired_seeds=paired_seeds, members=members)
    first = tasks[0][0][0]
    signatures = dict.fromkeys(system[0].signature for system, _ in tasks)
    return TwoLevelDifference(
        metric=first.metric.name,
        value=float(np.mean(estimate.values)),
        baseline_value=float(np.mean(estimate.baseline_values)),
        difference=estimate.difference,
        interval=estimate.interval,
        p=estimate.p,
        detectable=estimate.detectable,
        seeds=len(estimate.values),
        baseline_seeds=len(estimate.baseline_values),
        n=sum(task.system.shape[1] for task in sums),
        seed_differences=estimate.seed_differences,
        higher_is_better=first.metric.higher_is_better,
        signature="|".join(
            [*signatures, _protocol(estimate, len(sums), paired_seeds=paired_seeds, members=members)]
        ),
    )


def _protocol(
    estimate: TwoLevelEstimate,
    n_tasks: int,
    *,
    paired_seeds: bool,
    members: Sequence[Collection[Hashable]] | None,
) -> str:
    counts = f"{len(estimate.values)}:{len(estimate.baseline_values)}"
    if len(estimate.values) == len(estimate.baseline_values) == 1:
        seeds = "seeds:1|items-only"
    elif members is not None:
        seeds = f"replicates:{len(estimate.values)}|members:{len({m for own in members for m in own})}"
    elif paired_seeds:
        seeds = f"seeds:{len(estimate.values)}-paired"
    else:
        seeds = f"seeds:{counts}-unpaired"
    freedom = (
        f"df:{estimate.degrees_of_freedom:.1f}" if np.isfinite(estimate.degrees_of_freedom) else "df:inf"
    )
    tasks = f"|tasks:{n_tasks}" if n_tasks > 1 else ""
    return f"two-level-bs:{RESAMPLES}|{seeds}|{freedom}{tasks}|two-sided|seed:{SEED}"


def _listed(arms: Arms | Sequence[Arms]) -> list[Arms]:
    """Return one pair of arms, or several, as a list of pairs."""
    if not arms or not arms[0]:
        raise DataError("expected statistics of a method and of its baseline, found none")
    if isinstance(arms[0][0], CorpusStatistics):
        system, baseline = arms
        return [(system, baseline)]  # type: ignore[list-item]
    return list(arms)  # type: ignore[arg-type]


def _align(arms: Arms) -> Arms:
    """Return both arms with the items of the first table, in its order."""
    tables = [*arms[0], *arms[1]]
    if not arms[0] or not arms[1]:
        raise DataError("expected statistics of a method and of its baseline, found one without seeds")
    for left, right in pairwise(tables):
        if set(left.ids) != set(right.ids):
            differing = sorted(set(left.ids) ^ set(right.ids))
            raise DataError(
                f"expected the same items in every seed and arm, found {len(differing)} that differ "
                f"(first {differing[0]!r})"
            )
        if (left.metric.name, left.signature) != (right.metric.name, right.signature):
            raise DataError(
                f"expected every seed and arm scored alike, found {left.metric.name} {left.signature!r} and "
                f"{right.metric.name} {right.signature!r}"
            )
    ids = tables[0].ids
    return [table.subset(ids) for table in arms[0]], [table.subset(ids) for table in arms[1]]
