"""Two-level bootstrap: how sure a difference of two methods is over seeds *and* over items.

The two levels cross, as every seed is judged on the same items (Davison and Hinkley 1997, 3.8; Owen 2007, the
pigeonhole bootstrap):

- items are drawn with replacement, one draw for all seeds, arms and tasks;
- seeds are drawn with replacement: pairs of them where both arms share a seed, else each arm's on its own.

Of few seeds the plain bootstrap is too sure: draws of k seeds vary by (k - 1) / k of what they should, three
seeds know their spread to two degrees of freedom only, and that spread holds noise of the items that is
counted once already. So seed deviations are rescaled by sqrt(k / (k - 1)), the variance of seed x item is
taken out of their spread, and deviations are divided by sqrt(chi2 / df), df by Satterthwaite (1946), as in
Student's t. Of the corrections tried this one covers best: at nominal 95%, over the ways in which seeds,
items and both together can vary, 92 to 98% with three seeds, 94 to 98% with five, 88 to 98% with two. The
plain bootstrap with three seeds covers 75% where only seeds differ (docs/evaluation/comparing.md).

Replicates that share members (all triples of seven models) are not independent: counted as if they were, a
test of nominal 5% rejects up to 40% of true nulls. There the members take the place of the seeds: each stands
for its jackknife pseudo-value, ``M d - (M - 1) d(without it)`` (Arvesen 1969, for U-statistics), which is the
replicate's own value where members are not shared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.errors import DataError
from components.metrics.statistics.bootstrap import (
    MIN_UTTERANCES,
    RESAMPLES,
    SEED,
    FloatArray,
    Interval,
    resample_sums,
    widen_to_contain,
)
from components.metrics.statistics.null_distributions import two_sided_p


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
    """What the bootstrap says; ``interval``, ``p`` and ``detectable`` are None of too few items."""

    values: tuple[float, ...]
    baseline_values: tuple[float, ...]
    difference: float
    interval: Interval | None
    p: float | None
    detectable: float | None
    seed_differences: tuple[float, ...]
    degrees_of_freedom: float


def two_level_bootstrap(
    tasks: ItemSums | Sequence[ItemSums],
    *,
    paired_seeds: bool = True,
    resamples: int = RESAMPLES,
    members: Sequence[Collection[Hashable]] | None = None,
) -> TwoLevelEstimate:
    """Return the difference of two arms in any score of sums over items, over seeds and items.

    Args:
        tasks: One, or several whose differences are averaged with equal weights.
        paired_seeds: Whether the n-th seed of both arms belong together.
        resamples: Draws.
        members: Of paired replicates: what each was made of, where they share it.

    Raises:
        DataError: No tasks, or numbers of seeds, items or members that do not fit.
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
        to_members = _pseudo_values(members, len(values))
        gains, drawn_gains = values - baseline_values, drawn - baseline_drawn
        levels = [_SeedLevel.of(to_members @ gains, to_members @ drawn_gains)]
    else:
        levels = [_SeedLevel.of(values, drawn), _SeedLevel.of(baseline_values, baseline_drawn)]
    items = drawn.mean(0) - baseline_drawn.mean(0) - difference
    return _estimate(estimate, items, levels)


def _pseudo_values(members: Sequence[Collection[Hashable]] | None, k: int) -> FloatArray:
    """Return what turns the values of replicates (k,) into the pseudo-values of their members (m,)."""
    if members is None:
        return np.eye(k)
    if len(members) != k:
        raise DataError(f"expected the members of each of {k} replicates, found {len(members)}")
    names = list(dict.fromkeys(name for own in members for name in own))
    without = np.array([[name not in own for own in members] for name in names], float)
    if not without.any(1).all():
        always = names[int(np.argmin(without.any(1)))]
        raise DataError(f"expected a replicate without each member, found {always!r} in all {k}")
    m = len(names)
    return np.asarray(m / k - (m - 1) * without / without.sum(1, keepdims=True))


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
        """Return means (resamples,) of deviations drawn with replacement."""
        k = len(self.deviations)
        return np.asarray(self.deviations[rng.integers(k, size=(resamples, k))].mean(1))


def _estimate(estimate: TwoLevelEstimate, items: FloatArray, levels: list[_SeedLevel]) -> TwoLevelEstimate:
    """With interval, p and detectable effect from the deviations (resamples,) that the items make."""
    rng = np.random.default_rng([SEED, 2])
    total = float(items.var()) + sum(level.variance / len(level.deviations) for level in levels)
    freedom = _satterthwaite(total, [level for level in levels if level.observed])
    deviations = items + sum(level.draw(len(items), rng) for level in levels)
    if np.isfinite(freedom):
        deviations = deviations / np.sqrt(rng.chisquare(freedom, len(items)) / freedom)
    low, lower, upper, high = np.percentile(deviations + estimate.difference, (2.5, 20, 80, 97.5)).tolist()
    return replace(
        estimate,
        interval=widen_to_contain((low, high), estimate.difference),
        p=two_sided_p(deviations, estimate.difference),
        detectable=float(high - low + upper - lower) / 2,
        degrees_of_freedom=freedom,
    )


def _satterthwaite(total: float, levels: Sequence[_SeedLevel]) -> float:
    """Return degrees of freedom of the variance ``total``; at least those of the fewest seeds."""
    if not levels:
        return np.inf
    sizes = [len(level.deviations) for level in levels]
    terms = [(level.observed / k) ** 2 / (k - 1) for level, k in zip(levels, sizes, strict=True)]
    return max(total**2 / sum(terms), min(sizes) - 1)


def _mean_scores(tasks: Sequence[ItemSums]) -> tuple[FloatArray, FloatArray]:
    """Return scores (seeds,) of both arms on all items, means over tasks."""
    system = np.mean([task.score(task.system.sum(1)) for task in tasks], axis=0)
    baseline = np.mean([task.score(task.baseline.sum(1)) for task in tasks], axis=0)
    return system, baseline


def _draw_items(tasks: Sequence[ItemSums], resamples: int) -> tuple[FloatArray, FloatArray]:
    """Return scores (seeds, resamples) of both arms on the items drawn, means over tasks."""
    scores = []
    for task in tasks:
        arms = np.concatenate([task.system, task.baseline])
        seeds, n, c = arms.shape
        sums = resample_sums(arms.transpose(1, 0, 2).reshape(n, seeds * c), resamples)
        scores.append(task.score(sums.reshape(resamples, seeds, c)).T)
    means = np.mean(scores, axis=0)
    k = len(tasks[0].system)
    return means[:k], means[k:]


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
