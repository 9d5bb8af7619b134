from __future__ import annotations

from itertools import pairwise

import numpy as np
import optuna
import pytest

from components.comparison.dominance import count_dominating
from components.errors import ConfigError
from components.tuning.halving import cut_blocks, is_promoted


def test_each_rung_has_the_utterances_of_the_one_before_and_the_last_has_all() -> None:
    blocks = cut_blocks(90, 3, 3, seed=1)
    assert [len(block) for block in blocks] == [10, 20, 60]
    assert sorted(position for block in blocks for position in block) == list(range(90))
    assert all(first < second for block in blocks for first, second in pairwise(block))
    assert cut_blocks(90, 3, 3, seed=2) != blocks
    assert cut_blocks(5, 1, 3, seed=1) == [[0, 1, 2, 3, 4]]


def test_too_few_utterances_for_the_rungs_are_refused() -> None:
    with pytest.raises(ConfigError, match="take fewer rungs"):
        cut_blocks(4, 3, 3, seed=1)


def test_domination_is_counted_as_a_plain_loop_counts_it() -> None:
    rng = np.random.default_rng(3)
    points = rng.integers(0, 4, (30, 2)).astype(float)
    counts = [
        sum(bool((b[0] >= a[0] and b[1] <= a[1]) and (b[0] > a[0] or b[1] < a[1])) for b in points)
        for a in points
    ]
    assert count_dominating(points.tolist(), (1, -1)) == counts


@pytest.mark.parametrize("factor", [2, 3])
def test_who_is_promoted_is_who_optunas_pruner_lets_live(factor: int) -> None:
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=factor)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    rng = np.random.default_rng(factor)
    finished: list[list[list[float]]] = [[], []]
    for _ in range(40):
        trial = study.ask()
        for rung in range(2):
            value = float(rng.integers(0, 12))
            trial.report(value, factor**rung)
            finished[rung].append([value])
            promoted = is_promoted(len(finished[rung]) - 1, finished[rung], (1,), factor)
            assert promoted is not trial.should_prune()
            if not promoted:
                break
