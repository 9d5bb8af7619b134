"""The claimed front against brute force, and against the truth over many samples."""

from __future__ import annotations

import numpy as np

from components.design.front import claim_front
from components.design.study import Design
from components.design.tables import design_tables
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.table import get_metric

WER = get_metric("wer")


def table(errors: np.ndarray, words: int = 10) -> CorpusStatistics:
    """Statistics of a system with so many word errors in each utterance of ten words."""
    rows = np.zeros((len(errors), len(WER.statistics_names))) if hasattr(WER, "statistics_names") else None
    rows = np.stack([errors, np.full(len(errors), words)], 1).astype(float) if rows is None else rows
    ids = tuple(f"u{n}" for n in range(len(errors)))
    return CorpusStatistics(WER, ids, rows, len(errors), "wer")


def test_front_without_doubt_is_the_pareto_front() -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(0, 3, 400)
    tables = [table(base + shift) for shift in (3, 2, 2, 0)]  # constant differences: no error at all
    front = claim_front(tables, [1.0, 2.0, 3.0, 4.0], None)
    assert front.members == (0, 1, 3)
    assert front.margin == 0.0
    assert front.dominated_by == (None, None, 1, None)


def test_a_stated_margin_admits_what_may_be_dominated_by_less() -> None:
    rng = np.random.default_rng(1)
    tables = [table(rng.binomial(10, rate, 300)) for rate in (0.30, 0.31)]
    strict, wide = (claim_front(tables, [1.0, 2.0], margin) for margin in (0.1, 5.0))
    assert strict.members == (0,)
    assert wide.members == (0, 1)
    assert wide.bounds[1] > 0 and wide.bounds[0] == 0


def test_the_system_that_may_be_better_is_named_not_the_one_whose_score_is_nearest() -> None:
    """The nearest one surely was not better, and the reason gave it the bound of the other."""
    rng = np.random.default_rng(3)
    base = rng.binomial(10, 0.3, 60)
    near, far = base.copy(), rng.permutation(base)
    near[0] += 1
    far[:4] += 1
    front = claim_front([table(near), table(far), table(base)], [1.0, 1.5, 2.0], 2.0)
    assert front.members == (0,)
    assert front.dominated_by[2] == 1


def test_no_member_is_truly_dominated_by_more_than_the_margin() -> None:
    rng = np.random.default_rng(2)
    rates = np.array([0.30, 0.28, 0.29, 0.25, 0.26, 0.24])
    costs = [1.0, 2.0, 2.0, 3.0, 4.0, 5.0]
    broken = 0
    for _ in range(100):
        tables = [table(rng.binomial(10, rate, 150)) for rate in rates]
        front = claim_front(tables, costs, None)
        for member in front.members:
            rivals = [j for j in range(len(rates)) if j != member and costs[j] <= costs[member]]
            gain = max([100 * (rates[member] - rates[j]) for j in rivals], default=0.0)
            if gain > front.margin:
                broken += 1
                break
    assert broken <= 10  # 5 expected; more than 10 has a probability of 1%


def test_where_nothing_keeps_the_limits_nothing_is_promised_of_a_front() -> None:
    """It said that nothing was better than one of the front by more than 0.00."""
    design = Design(
        metric="wer",
        higher_is_better=False,
        cost="seconds",
        rung_sizes=(12,),
        n_confirm=12,
        candidates=(),
        front=(),
        reason="nothing keeps the limits",
    )
    assert design_tables(design)[0].note == "No system: nothing keeps the limits."
