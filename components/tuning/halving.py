"""Successive halving: many tries on little data, the better ones on more, few on all.

Jamieson and Talwalkar 2016, https://arxiv.org/abs/1502.07943; decided as soon as a try has finished a rung,
among those that came so far (Li et al. 2018, ASHA, https://arxiv.org/abs/1810.05934), and never again.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from components.comparison.dominance import count_dominating
from components.errors import ConfigError


def cut_blocks(total: int, rungs: int, factor: int, seed: int) -> list[list[int]]:
    """Cut positions into blocks; rung r has blocks 0 to r, ``factor`` times as many as the one before.

    Blocks instead of subsets: what a try computed on a rung is a part of the next, and only the new block is
    computed there. Positions are drawn at random, so that every rung is a sample of the whole; each block is
    in the order of the data.

    Raises:
        ConfigError: the first rung would be empty.
    """
    sizes = [round(total / factor ** (rungs - 1 - rung)) for rung in range(rungs)]
    if sizes[0] < 1 or len(set(sizes)) < rungs:
        raise ConfigError(
            f"rungs: expected data for {rungs} rungs, each {factor} times the one before, found {total} "
            "utterances; take fewer rungs"
        )
    shuffled = np.random.default_rng(seed).permutation(total).tolist() if rungs > 1 else list(range(total))
    edges = [0, *sizes]
    return [sorted(shuffled[start:end]) for start, end in pairwise(edges)]


def is_promoted(number: int, values: Sequence[Sequence[float]], signs: Sequence[int], factor: int) -> bool:
    """Return whether a try goes on to the next rung: it is in the best 1 / ``factor`` of this one.

    At least one is, and all that are as good as the last of them.

    Args:
        number: position of the try in ``values``.
        values: of all tries that finished the rung so far (n, objectives).
        signs: 1 for an objective of which more is better, else -1.
        factor: the reduction factor.
    """
    counts = count_dominating(values, signs)
    return counts[number] <= sorted(counts)[max(1, len(counts) // factor) - 1]
