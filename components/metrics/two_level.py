"""Is a method better, whatever the seed? A test over training seeds and test items together.

A score differs between trainings of one method and between samples of items, and a claim about a *method*
must survive both. The two levels cross (every seed is judged on the same items), so (two-level or hierarchical
bootstrap; Davison and Hinkley 1997, 3.8; Owen 2007, the pigeonhole bootstrap):

- items are drawn with replacement, one draw for all seeds, arms and tasks;
- seeds are drawn with replacement: pairs of them where both arms share a seed, else each arm's on its own.

Of few seeds the plain bootstrap is too sure: k draws of k seeds vary by (k - 1) / k of what they should, three
seeds know their spread to two degrees of freedom only, and that spread holds noise of the items that is counted
once already. So seed deviations are rescaled by sqrt(k / (k - 1)), the variance of seed x item is taken out of
their spread, and deviations are divided by sqrt(chi2 / df), df by Satterthwaite (1946), as in Student's t.
Measured coverage at nominal 95%, over the ways in which seeds, items and both together can vary: 92 to 98% with
three seeds, 94 to 98% with five, 88 to 98% with two (the plain bootstrap with three: 75% where only seeds differ).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from pydantic import Field

from components.errors import DataError
from components.metrics.bootstrap import MIN_UTTERANCES, SEED, FloatArray, Interval, resample_sums
from components.metrics.corpus_statistics import CorpusStatistics
from components.metrics.null_distributions import two_sided_p
from components.records import Record

RESAMPLES = 10_000
_POWER = (0.025, 0.8)
"""Two-sided level / 2 and power of the smallest detectable effect."""

Arms = tuple[Sequence[CorpusStatistics], Sequence[CorpusStatistics]]
"""Statistics of a method and of its baseline, one for each seed."""


class TwoLevelDifference(Record):
    """``value`` of a method minus that of its baseline, both means over seeds (and tasks).

    ``interval`` (95%) and ``p`` (two-sided) hold for other seeds *and* other items; with one seed in each arm for
    other items only, and the signature says so. Both are None of fewer than 10 items.
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


@dataclass(frozen=True, eq=False)
class ItemSums:
    """One task: what both arms did to the same items, seed by seed.

    Attributes:
        score: Scores (...) of sums (..., c) over items. A ratio of sums is
            ``lambda sums: sums[..., 0] / sums[..., 1]``; a mean has ones in its second column.
        system: Sums (seeds, n, c) of each item.
        baseline: Those of the baseline, of the same items in the same order.
    """

    score: Callable[[FloatArray], FloatArray]
    system: FloatArray
    baseline: FloatArray


@dataclass(frozen=True)
class TwoLevelEstimate:
    """What the bootstrap says of a difference; interval, p and detectable effect are None of too few items."""

    values: tuple[float, ...]
    baseline_values: tuple[float, ...]
    difference: float
    interval: Interval | None
    p: float | None
    detectable: float | None
    seed_differences: tuple[float, ...]
    degrees_of_freedom: float


def two_level_test(arms: Arms | Sequence[Arms], *, paired_seeds: bool = True) -> TwoLevelDifference:
    """The first arm minus the second, over seeds and items.

    Args:
        arms: Statistics of the method and of its baseline by seed; or several such pairs, one a task (three target
            languages, two test sets), whose differences are averaged with equal weights. Seeds are the same ones,
            in the same order, in every task.
        paired_seeds: Whether the n-th seed of both arms belong together (same data order, same start). Otherwise
            the arms may have different numbers of seeds; an arm of one is taken as it is, as a fixed model.

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
    estimate = two_level_bootstrap(sums, paired_seeds=paired_seeds)
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
        signature="|".join([*signatures, _protocol(estimate, len(sums), paired_seeds=paired_seeds)]),
    )


def two_level_bootstrap(
    tasks: ItemSums | Sequence[ItemSums], *, paired_seeds: bool = True, resamples: int = RESAMPLES
) -> TwoLevelEstimate:
    """The difference of two arms in any score of sums over items, over seeds and items.

    Args:
        tasks: One, or several whose differences are averaged with equal weights.
        paired_seeds: Whether the n-th seed of both arms belong together.
        resamples: Draws.

    Raises:
        DataError: No tasks, or numbers of seeds or items that do not fit.
    """
    tasks = [tasks] if isinstance(tasks, ItemSums) else list(tasks)
    _check_shapes(tasks, paired_seeds=paired_seeds)
    values, baseline_values = _mean_scores(tasks)
    difference = float(values.mean() - baseline_values.mean())
    seed_differences = values - (baseline_values if paired_seeds else baseline_values.mean())
    estimate = TwoLevelEstimate(
        values=tuple(values.tolist()),
        baseline_values=tuple(baseline_values.tolist()),
        difference=difference,
        interval=None,
        p=None,
        detectable=None,
        seed_differences=tuple(seed_differences.tolist()),
        degrees_of_freedom=np.inf,
    )
    if min(task.system.shape[1] for task in tasks) < MIN_UTTERANCES:
        return estimate
    drawn, baseline_drawn = _draw_items(tasks, resamples)
    if paired_seeds:
        levels = [_SeedLevel.of(values - baseline_values, drawn - baseline_drawn)]
    else:
        levels = [_SeedLevel.of(values, drawn), _SeedLevel.of(baseline_values, baseline_drawn)]
    items = drawn.mean(0) - baseline_drawn.mean(0) - difference
    return _estimate(estimate, items, levels)


@dataclass(frozen=True, eq=False)
class _SeedLevel:
    """How seeds vary.

    Attributes:
        deviations: Of each seed (k,) from the mean, scaled to ``variance``.
        variance: Between seeds, without what items make of it.
        observed: Variance between the seeds' scores, with that.
    """

    deviations: FloatArray
    variance: float
    observed: float

    @classmethod
    def of(cls, scores: FloatArray, resampled: FloatArray) -> _SeedLevel:
        """From scores (k,) of all items and of their resamples (k, resamples)."""
        k = len(scores)
        if k == 1:
            return cls(np.zeros(1), 0.0, 0.0)
        deviations = scores - scores.mean()
        spread = float(scores.var(ddof=1))
        interaction = float((resampled - resampled.mean(0)).var(axis=1).sum() / (k - 1))
        variance = max(spread - interaction, 0.0)
        scale = np.sqrt(variance / spread * k / (k - 1)) if variance else 0.0
        return cls(deviations * scale, variance, spread)

    def draw(self, resamples: int, rng: np.random.Generator) -> FloatArray:
        """Means (resamples,) of deviations drawn with replacement."""
        k = len(self.deviations)
        return self.deviations[rng.integers(k, size=(resamples, k))].mean(1)


def _estimate(estimate: TwoLevelEstimate, items: FloatArray, levels: list[_SeedLevel]) -> TwoLevelEstimate:
    """With interval, p and detectable effect from the deviations (resamples,) that the items make."""
    rng = np.random.default_rng([SEED, 2])
    total = float(items.var()) + sum(level.variance / len(level.deviations) for level in levels)
    uncertain = sum(
        (level.observed / len(level.deviations)) ** 2 / (len(level.deviations) - 1)
        for level in levels
        if level.observed
    )
    freedom = total**2 / uncertain if uncertain else np.inf
    deviations = items + sum(level.draw(len(items), rng) for level in levels)
    if np.isfinite(freedom):
        deviations = deviations / np.sqrt(rng.chisquare(freedom, len(items)) / freedom)
    low, high = np.percentile(deviations + estimate.difference, (2.5, 97.5)).tolist()
    return TwoLevelEstimate(
        values=estimate.values,
        baseline_values=estimate.baseline_values,
        difference=estimate.difference,
        interval=(min(low, estimate.difference), max(high, estimate.difference)),
        p=two_sided_p(deviations, estimate.difference),
        detectable=_detectable(float(np.sqrt(total)), freedom, rng),
        seed_differences=estimate.seed_differences,
        degrees_of_freedom=freedom,
    )


def _detectable(error: float, freedom: float, rng: np.random.Generator) -> float:
    """(t at 0.975 + t at 0.8) standard errors: 2.8 of many seeds and items, more of few seeds."""
    if not np.isfinite(freedom):
        return 2.8016 * error
    quantiles = np.quantile(rng.standard_t(freedom, 100_000), (1 - _POWER[0], _POWER[1]))
    return float(quantiles.sum()) * error


def _mean_scores(tasks: Sequence[ItemSums]) -> tuple[FloatArray, FloatArray]:
    """Scores (seeds,) of both arms on all items, means over tasks."""
    system = np.mean([task.score(task.system.sum(1)) for task in tasks], axis=0)
    baseline = np.mean([task.score(task.baseline.sum(1)) for task in tasks], axis=0)
    return system, baseline


def _draw_items(tasks: Sequence[ItemSums], resamples: int) -> tuple[FloatArray, FloatArray]:
    """Scores (seeds, resamples) of both arms on the items drawn, means over tasks."""
    scores = []
    for task in tasks:
        arms = np.concatenate([task.system, task.baseline])
        seeds, n, c = arms.shape
        sums = resample_sums(arms.transpose(1, 0, 2).reshape(n, seeds * c), resamples)
        scores.append(task.score(sums.reshape(resamples, seeds, c)).T)
    means = np.mean(scores, axis=0)
    k = len(tasks[0].system)
    return means[:k], means[k:]


def _protocol(estimate: TwoLevelEstimate, n_tasks: int, *, paired_seeds: bool) -> str:
    counts = f"{len(estimate.values)}:{len(estimate.baseline_values)}"
    if len(estimate.values) == len(estimate.baseline_values) == 1:
        seeds = "seeds:1|items-only"
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
    """One pair of arms, or several, as a list of pairs."""
    if not arms or not arms[0]:
        raise DataError("expected statistics of a method and of its baseline, found none")
    if isinstance(arms[0][0], CorpusStatistics):
        system, baseline = arms
        return [(system, baseline)]  # type: ignore[list-item]
    return list(arms)  # type: ignore[arg-type]


def _align(arms: Arms) -> Arms:
    """Both arms with the items of the first table, in its order."""
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


def _check_shapes(tasks: Sequence[ItemSums], *, paired_seeds: bool) -> None:
    if not tasks:
        raise DataError("expected at least one task, found none")
    shapes = {(len(task.system), len(task.baseline)) for task in tasks}
    if len(shapes) > 1:
        raise DataError(f"expected the same seeds in every task, found (method, baseline) {sorted(shapes)}")
    ((system, baseline),) = shapes
    if paired_seeds and system != baseline:
        raise DataError(
            f"expected as many seeds of the baseline as of the method ({system}), found {baseline}; "
            "say paired_seeds=False where the arms do not share their seeds"
        )
    for task in tasks:
        if task.system.shape[1:] != task.baseline.shape[1:]:
            raise DataError(
                f"expected sums of the same items in both arms, found {task.system.shape[1:]} and "
                f"{task.baseline.shape[1:]}"
            )
