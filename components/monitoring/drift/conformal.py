"""Has a stream of numbers changed against accepted ones? Evidence that may be looked at for ever.

Each number is ranked among the accepted ones and all that came before it; ties are broken at random. If
nothing has changed, these ranks are independent and uniform, whatever the numbers are (Vovk, Gammerman and
Shafer 2005). A gambler bets against that by densities on [0, 1]; his capital is a martingale, so it exceeds
1 / alpha at any time with probability alpha at most: the bound of false alarms over the whole life (Vovk
et al. 2021, "Retrain or not retrain: conformal test martingales for change-point detection").

The capital is split in advance over densities (numbers rise, fall, spread or narrow, a little or much) and
over the places at which betting begins, every tenth number (the "sleepers" of Vovk et al. 2021; Shin,
Ramdas and Rinaldo 2024 mix starts alike), so that a late change costs the logarithm of its place and no more.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from typing import NamedTuple

import numpy as np

from components.metrics.statistics.bootstrap import FloatArray

STEP = 10
"""Numbers between two places at which betting may begin."""
_POWERS = (0.1, 0.25, 0.5, 0.75)
_START_MASS = 2.1097428012368918974479257197616552
"""Sum of 1 / (k ln^2 k) over k = 2, 3, ...: what the weights of starts are divided by."""
DIRECTIONS = ("higher", "lower", "more spread", "less spread")


class Evidence(NamedTuple):
    """What speaks for a change.

    Attributes:
        capital: logarithm of the capital after each number, in nats, (n,).
        gains: logarithm of what each density wins by each number, (densities, n).
    """

    capital: FloatArray
    gains: FloatArray

    def since(self, start: int) -> float:
        """Return the logarithm of the capital of a gambler who begins at a place, over all densities."""
        totals = self.gains[:, start:].sum(1)
        return float(np.logaddexp.reduce(totals) - math.log(len(totals)))

    def onset(self, stop: int | None = None) -> int:
        """Return the place from which on the best density has won most."""
        paths = np.cumsum(self.gains[:, :stop], axis=1)
        before = np.concatenate([np.zeros((len(paths), 1)), paths[:, :-1]], axis=1)
        won = paths[:, -1:] - before if paths.size else before
        return int(won.max(0).argmax()) if won.size else 0

    def direction(self, start: int) -> str:
        """Return how numbers have changed from a place on."""
        best = int(self.gains[:, start:].sum(1).argmax())
        return DIRECTIONS[min(best // len(_POWERS), 3)]


def rank(accepted: FloatArray, stream: FloatArray, draws: FloatArray) -> FloatArray:
    """Return each number's rank from above among the accepted ones and those before it, in (0, 1).

    Args:
        accepted: (m,), in any order.
        stream: (n,), as they came.
        draws: (n,) uniform on [0, 1), which break ties.
    """
    known = sorted(accepted.tolist())
    ranks = np.empty(len(stream))
    for place, value in enumerate(stream.tolist()):
        above = len(known) - bisect_right(known, value)
        equal = len(known) - above - bisect_left(known, value)
        ranks[place] = (above + draws[place] * (equal + 1)) / (len(known) + 1)
        insort(known, value)
    return ranks.clip(1e-9, 1 - 1e-9)


def gather_evidence(ranks: FloatArray) -> Evidence:
    """Return the evidence of ranks (n,) against uniformity from some place on."""
    gains = _log_densities(ranks)
    before = np.concatenate([np.zeros((len(gains), 1)), gains.cumsum(1)], axis=1)
    starts = _log_starts(len(ranks))
    betting = before[:, 1:] + np.logaddexp.accumulate(starts - before[:, :-1], axis=1)
    total = np.logaddexp.reduce(betting, axis=0) - math.log(len(gains))
    idle = np.log1p(-np.exp(starts).cumsum())
    return Evidence(np.logaddexp(total, idle), gains)


def _log_densities(ranks: FloatArray) -> FloatArray:
    """Return the logarithms of the densities at ranks: (densities, n)."""
    log_low, log_high = np.log(ranks), np.log1p(-ranks)
    powers = np.array(_POWERS)[:, None]
    rising = np.log(powers) + (powers - 1) * log_low
    falling = np.log(powers) + (powers - 1) * log_high
    spreading = np.logaddexp(rising, falling) - math.log(2)
    narrowing = (math.log(6) + log_low + log_high)[None, :]
    return np.concatenate([rising, falling, spreading, narrowing])


def _log_starts(n: int) -> FloatArray:
    """Return the logarithm of the share of the capital that begins at each place; -inf where none does."""
    starts = np.full(n, -np.inf)
    k = np.arange(len(starts[::STEP])) + 2.0
    starts[::STEP] = -np.log(_START_MASS * k * np.log(k) ** 2)
    return starts
