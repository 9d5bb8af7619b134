"""The two-level test: its coverage by simulation, its numbers by hand, and what it refuses."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from components.errors import DataError
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.statistics.corpus_statistics import CorpusStatistics, text_statistics
from components.metrics.statistics.seed_bootstrap import ItemSums, two_level_bootstrap
from components.metrics.statistics.two_level import two_level_test
from tests.components.metrics.corpora import N, corpus, table_of

N_NULLS, ITEMS = 300, 60


def mean(sums: FloatArray) -> FloatArray:
    return np.asarray(sums[..., 0] / sums[..., 1])


def arm(values: FloatArray) -> FloatArray:
    return np.stack([values, np.ones_like(values)], -1)


def draw_arm(draw: np.random.Generator, k: int, seed: float, item: float, both: float) -> FloatArray:
    """Values (k, ITEMS) whose mean varies with the seed, the items and both by these variances."""
    return np.asarray(
        draw.normal(0, seed**0.5, (k, 1))
        + draw.normal(0, (item * ITEMS) ** 0.5, (1, ITEMS))
        + draw.normal(0, (both * ITEMS) ** 0.5, (k, ITEMS))
    )


@pytest.mark.parametrize(
    ("seed", "item", "both"),
    [(1, 0.0, 0.0), (1, 0.3, 0.0), (0.1, 1, 0), (0, 1, 1), (0.3, 0.3, 1), (1, 0, 0.3)],
)
def test_three_seeds_cover_what_is_true(seed: float, item: float, both: float) -> None:
    """Nominal 95%; the plain two-level bootstrap covers 75 to 98% of these."""
    draw = np.random.default_rng(5)
    covered = rejected = 0
    for _ in range(N_NULLS):
        system = draw_arm(draw, 3, seed, item, both)
        task = ItemSums(mean, arm(system), arm(np.zeros_like(system)))
        result = two_level_bootstrap(task, resamples=500)
        covered += result.interval[0] <= 0 <= result.interval[1]
        rejected += result.p < 0.05
    assert 0.91 <= covered / N_NULLS <= 0.99
    assert 0.01 <= rejected / N_NULLS <= 0.09


def test_unpaired_seeds_cover_too() -> None:
    """What both arms owe to the items cancels, their seeds do not."""
    draw = np.random.default_rng(6)
    covered = 0
    for _ in range(N_NULLS):
        items = draw.normal(0, 20, (1, ITEMS))
        arms = [arm(items + draw_arm(draw, k, 1, 0.05, 0.3)) for k in (3, 4)]
        interval = two_level_bootstrap(ItemSums(mean, *arms), paired_seeds=False, resamples=500).interval
        covered += interval[0] <= 0 <= interval[1]
    assert 0.91 <= covered / N_NULLS <= 0.99


def test_four_in_five_of_detectable_effects_are_found() -> None:
    draw = np.random.default_rng(8)
    k, seed, item = 5, 0.3, 1.0
    error = (seed / k + item) ** 0.5
    n_covered, stated = 0, []
    for _ in range(N_NULLS):
        system = 2.85 * error + draw_arm(draw, k, seed, item, 0)
        result = two_level_bootstrap(ItemSums(mean, arm(system), arm(np.zeros_like(system))), resamples=500)
        n_covered += (result.p or 0.0) < 0.05
        stated.append(result.detectable)
    assert n_covered / N_NULLS == pytest.approx(0.8, abs=0.06)
    assert np.mean(stated) == pytest.approx(2.85 * error, rel=0.06)


TARGETS, TEXTS = corpus({f"{rate} {seed}": rate for rate in (0.2, 0.4) for seed in range(3)})


def tables(rate: float, seeds: int, name: str = "bleu") -> list[CorpusStatistics]:
    return [
        text_statistics(TARGETS, TEXTS[f"{rate} {seed}"], language="de", n_total=N, names=(name,))[name]
        for seed in range(seeds)
    ]


def test_what_is_reported() -> None:
    good, bad = tables(0.2, 3), tables(0.4, 3)
    result = two_level_test((good, bad))
    scores = [(a.score(), b.score()) for a, b in zip(good, bad, strict=True)]
    assert result.seed_differences == pytest.approx([a - b for a, b in scores])
    assert result.difference == pytest.approx(np.mean(result.seed_differences))
    assert (result.metric, result.seeds, result.n, result.p_holm) == ("bleu", 3, N, None)
    assert result.p < 0.05
    assert "|two-level-bs:10000|seeds:3-paired|df:" in result.signature
    turned = two_level_test((bad, good))
    assert turned.difference == -result.difference
    assert turned.p == pytest.approx(result.p, abs=0.01)
    both = two_level_test([(good, bad), (good, good)])
    assert both.difference == pytest.approx(result.difference / 2)
    assert "|tasks:2|" in both.signature


def test_one_seed_each_is_the_paired_bootstrap_of_items() -> None:
    (base,), (good,) = tables(0.4, 1), tables(0.2, 1)
    result = two_level_test(([good], [base]))
    drawn = good.resampled_scores - base.resampled_scores
    assert result.interval == pytest.approx(tuple(np.percentile(drawn, (2.5, 97.5))))
    assert "|items-only|" in result.signature


def test_equal_arms_are_no_difference_and_few_items_say_nothing() -> None:
    good = tables(0.2, 2)
    same = two_level_test((good, good))
    assert (same.difference, same.interval, same.p, same.detectable) == (0, (0, 0), 1, 0)
    few = [table.subset(table.ids[:9]) for table in good]
    result = two_level_test((few, few))
    assert (result.interval, result.p, result.detectable, result.n) == (None, None, None, 9)


def test_what_does_not_fit_is_refused() -> None:
    good = tables(0.2, 3)
    with pytest.raises(DataError, match=r"as many seeds of the baseline as of the method \(3\), found 2"):
        two_level_test((good, good[:2]))
    assert two_level_test((good, good[:1]), paired_seeds=False).baseline_seeds == 1
    with pytest.raises(DataError, match="expected the same items in every seed and arm, found 1"):
        two_level_test((good, [good[0], good[1], good[2].subset(good[0].ids[1:])]))
    with pytest.raises(DataError, match="scored alike"):
        two_level_test((good, tables(0.2, 3, "chrf")))
    with pytest.raises(DataError, match="found none"):
        two_level_test(([], []))


def test_what_does_not_fit_together_is_refused() -> None:
    few, many = arm(np.zeros((2, ITEMS))), arm(np.zeros((3, ITEMS)))
    tasks = {
        "at least one task": [],
        "the same seeds in every task": [ItemSums(mean, few, few), ItemSums(mean, many, many)],
        "say paired_seeds=False": [ItemSums(mean, few, many)],
        "the same items in both arms": [ItemSums(mean, few, few[:, 1:])],
    }
    for message, wrong in tasks.items():
        with pytest.raises(DataError, match=message):
            two_level_bootstrap(wrong)
    table = table_of(np.ones((ITEMS, 1)))
    with pytest.raises(DataError, match="found one without seeds"):
        two_level_test([([table], [])])


@pytest.mark.parametrize(("models", "triples"), [(4, 4), (7, 10)])
def test_replicates_that_share_members_cover_by_members(models: int, triples: int) -> None:
    """Counted as independent, the triples of four models reject 30% of true nulls here."""
    draw = np.random.default_rng(7)
    combinations = list(itertools.combinations(range(models), 3))
    covered = 0
    for _ in range(N_NULLS):
        chosen = [combinations[n] for n in sorted(draw.permutation(len(combinations))[:triples])]
        own = draw_arm(draw, models, 1, 0.3, 0.3)
        system = np.stack([own[list(triple)].mean(0) for triple in chosen])
        task = ItemSums(mean, arm(system), arm(np.zeros_like(system)))
        interval = two_level_bootstrap(task, resamples=500, members=chosen).interval
        covered += interval[0] <= 0 <= interval[1]
    assert 0.91 <= covered / N_NULLS <= 0.99


def test_members_of_their_own_change_nothing_and_one_in_all_is_refused() -> None:
    draw = np.random.default_rng(8)
    task = ItemSums(mean, arm(draw_arm(draw, 3, 1, 1, 1)), arm(np.zeros((3, ITEMS))))
    plain = two_level_bootstrap(task, resamples=500)
    own = two_level_bootstrap(task, resamples=500, members=["a", "b", "c"])
    assert own.interval == pytest.approx(plain.interval)
    with pytest.raises(DataError, match="found 'a' in all 3"):
        two_level_bootstrap(task, members=["ab", "ac", "ad"])
