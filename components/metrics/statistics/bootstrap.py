"""Bootstrap intervals over utterances: how much the score would move with other utterances of this kind.

``RESAMPLES`` times as many utterances as there are are drawn with replacement, from numpy's default generator
seeded with ``SEED`` (Koehn 2004; the first 1,000 are sacreBLEU's default draws). How often each of n
utterances is in each resample is the same for whoever asks, so scores of all systems and metrics are paired,
and drawn once. Intervals are the middle 95% of the resamples' scores, of scores and of differences alike.

Below :data:`MIN_UTTERANCES` utterances nothing is drawn, and there is no interval: one utterance can be drawn
in one way, three in ten, and what they say of others would be a guess that looks like a measurement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.records import Record

RESAMPLES = 10_000
SEED = 12345
MIN_UTTERANCES = 10
"""Utterances that a resampling needs."""
PROTOCOL = f"bs:{RESAMPLES}|ci:percentile|seed:{SEED}"
"""How intervals of scores are signed."""
_DRAWS_PER_BATCH = 1 << 17
"""Draws made at once: 1 MB."""
_DRAWS_PER_PRODUCT = 1 << 22
"""Draws that are multiplied with a table at once, where the order of a sum does not matter: 32 MB at most."""
_ROWS_AT_ONCE = 1 << 14
"""Rows that are compared with their rounded copy at once."""
_MAX_CACHED_DRAWS = 1 << 25
"""Draws that stay in memory for the next table of as many utterances: 32 MB."""

Interval = tuple[float, float]
FloatArray = NDArray[np.float64]
Counts = NDArray[np.uint8]


class Estimate(Record):
    """A number with its 95% bootstrap interval; None where there were too few utterances for one."""

    value: float
    interval: Interval | None


def draw_counts(n: int, resamples: int = RESAMPLES) -> Iterable[Counts]:
    """Return how often each utterance is in each resample, some resamples (m, n) at a time.

    Nothing below ``MIN_UTTERANCES``.
    """
    if n < MIN_UTTERANCES:
        return ()
    return _cached_counts(n, resamples) if n * resamples <= _MAX_CACHED_DRAWS else _draw(n, resamples)


@lru_cache(maxsize=4)
def _cached_counts(n: int, resamples: int) -> tuple[Counts, ...]:
    return tuple(_draw(n, resamples))


def _draw(n: int, resamples: int) -> Iterator[Counts]:
    rng = np.random.default_rng(SEED)
    batch = max(1, _DRAWS_PER_BATCH // n)
    for start in range(0, resamples, batch):
        size = min(batch, resamples - start)
        indices = rng.integers(n, size=(size, n))  # what rng.choice with replacement draws
        indices += n * np.arange(size)[:, None]
        counts = np.bincount(indices.ravel(), minlength=size * n).reshape(size, n)
        yield counts.astype(np.uint8)  # one of n drawn n times is drawn 256 times with probability 1 / 256!


def resample_sums(table: ArrayLike, resamples: int = RESAMPLES) -> FloatArray:
    """Return sums (resamples, k) of the rows (n, k) drawn: by one product with how often each row is."""
    return resample_together([np.asarray(table, np.float64)], resamples)[0]


def resample_together(tables: Sequence[FloatArray], resamples: int = RESAMPLES) -> list[FloatArray]:
    """:func:`resample_sums` of tables (n, k) of the same utterances, by one product for all of them."""
    if not tables:
        return []
    n, edges = len(tables[0]), np.cumsum([table.shape[1] for table in tables])
    draws, are_exact = draw_counts(n, resamples), all(map(is_exact, tables))
    draws = _join_batches(draws) if are_exact else draws
    # Large sets have hundreds of MB: they are copied once, in the shortest numbers whose sums are exact.
    is_short = are_exact and max(max(table.max(), -table.min()) for table in tables) * n < 1 << 24
    columns = np.empty((edges[-1], n), np.float32 if is_short else np.float64)
    np.concatenate([table.T for table in tables], out=columns)
    sums = [columns @ counts.T.astype(columns.dtype) for counts in draws]
    # Column by column in memory, as scores read them.
    joined = np.concatenate([np.zeros((len(columns), 0)), *sums], axis=1, dtype=np.float64).T
    return np.split(joined, edges[:-1], axis=1)


def is_exact(rows: FloatArray) -> bool:
    """Return whether sums of rows are exact, in whatever order they are added: all are whole numbers."""
    parts = np.array_split(rows, len(rows) // _ROWS_AT_ONCE + 1)
    return bool(rows.size and all((part == np.rint(part)).all() for part in parts))


def _join_batches(draws: Iterable[Counts]) -> Iterator[Counts]:
    """Yield the same resamples, more at a time where a batch has few: a table is read once for all."""
    waiting: list[Counts] = []
    for counts in draws:
        waiting.append(counts)
        if sum(each.size for each in waiting) + counts.size > _DRAWS_PER_PRODUCT:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)


def bootstrap_interval(scores: ArrayLike, value: float) -> Interval | None:
    """Return the middle 95% of the scores of resamples, widened to hold it; None where nothing was drawn."""
    numbers = np.asarray(scores, np.float64)
    if not numbers.size:
        return None
    low, high = np.percentile(numbers, (2.5, 97.5))
    return widen_to_contain((float(low), float(high)), value)


def ratio_interval(numerators: Sequence[float], denominators: Sequence[int]) -> Interval | None:
    """Return 95% percentile interval of ``sum(numerators) / sum(denominators)``, both per utterance.

    Denominators are positive, so every resample has a ratio.
    """
    sums = resample_sums(np.stack([numerators, denominators], axis=1))
    return bootstrap_interval(sums[:, 0] / sums[:, 1], sum(numerators) / sum(denominators))


def widen_to_contain(interval: Interval, value: float) -> Interval:
    """Widen an interval to hold the value: with a handful of utterances a bootstrap can miss it."""
    return min(interval[0], value), max(interval[1], value)
