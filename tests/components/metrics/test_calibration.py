"""The tests reject one in twenty true nulls, made of real outputs: those of two systems, exchanged at random.

tests/golden/beam_statistics.npz holds the statistics of 400 sentences (Multi30k test_2016_flickr, English to
German) that the packaged model translated by beam 1 and by beam 5; WER is that of these translations.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from components.metrics.choices import Test
from components.metrics.statistics.bootstrap import FloatArray, draw_counts
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.statistics.null_distributions import draw_randomized_differences, two_sided_p
from components.metrics.statistics.significance import paired_test
from components.metrics.table import METRICS

GOLDEN = Path(__file__).parents[2] / "golden" / "beam_statistics.npz"
N_NULLS, RESAMPLES = 1500, 1000
NAMES = ("bleu", "chrf", "ter", "wer")


def read_tables(name: str) -> tuple[CorpusStatistics, CorpusStatistics]:
    with np.load(GOLDEN) as arrays:
        rows = [arrays[f"{name} {system}"].astype(np.float64) for system in ("beam-1", "beam-5")]
    ids = tuple(map(str, range(len(rows[0]))))
    first, second = (CorpusStatistics(METRICS[name], ids, table, len(ids), name) for table in rows)
    return first, second


def draw_exchanges(n: int) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Which sentences are exchanged in each null (nulls, n)."""
    return np.random.default_rng(7).integers(2, size=(N_NULLS, n), dtype=bool)


def bootstrap_p_values(first: CorpusStatistics, second: CorpusStatistics) -> Iterator[float]:
    """p of every null: the product of the resamples with many exchanged tables at once."""
    total = first.rows + second.rows
    counts = np.concatenate(list(draw_counts(len(first.ids), RESAMPLES))).astype(np.float32)
    sums = counts @ total.astype(np.float32)
    for exchanged in np.array_split(draw_exchanges(len(first.ids)), 15):
        mixed = np.where(exchanged[:, :, None], first.rows, second.rows)  # (nulls, n, k)
        nulls, n, k = mixed.shape
        flat = mixed.transpose(1, 0, 2).reshape(n, nulls * k).astype(np.float32)
        ours = (counts @ flat).reshape(RESAMPLES, nulls, k).astype(np.float64)
        score = first.metric.score
        drawn = score(ours) - score(sums[:, None, :] - ours)
        observed = score(mixed.sum(1)) - score((total - mixed).sum(1))
        for column, value in enumerate(observed.tolist()):
            yield two_sided_p(drawn[:, column] - value, value)


def randomization_p_values(first: CorpusStatistics, second: CorpusStatistics) -> Iterator[float]:
    """p of every null; exchanging again what is exchanged draws the same differences."""
    null = draw_randomized_differences([(first, second)])
    exchanged = draw_exchanges(len(first.ids)).astype(np.float64)
    mixed: FloatArray = exchanged @ first.rows + (1 - exchanged) @ second.rows
    score = first.metric.score
    observed = score(mixed) - score(first.rows.sum(0) + second.rows.sum(0) - mixed)
    return (two_sided_p(null, value) for value in observed.tolist())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("test", ["bootstrap", "randomization"])
def test_five_percent_of_true_nulls_are_rejected(name: str, test: Test) -> None:
    """sacreBLEU's rule rejected 10.5% of such nulls. 1.5 points are 2.7 standard errors of the size."""
    tables = read_tables(name)
    of = {"bootstrap": bootstrap_p_values, "randomization": randomization_p_values}[test]
    p = np.fromiter(of(*tables), float)
    assert len(p) == N_NULLS
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.015)
    first, second = tables
    exchanged = draw_exchanges(len(first.ids))[0][:, None]
    rows = np.where(exchanged, first.rows, second.rows), np.where(exchanged, second.rows, first.rows)
    one, other = (CorpusStatistics(first.metric, first.ids, table, len(first.ids), name) for table in rows)
    assert paired_test(one, other, ("one", "other"), test).p == pytest.approx(p[0], abs=0.04)


def test_the_two_systems_differ_where_they_were_scored() -> None:
    """Of 1,000 sentences 39.2 and 38.4 BLEU; of these 400."""
    beam_1, beam_5 = read_tables("bleu")
    assert beam_5.score() > beam_1.score() > 35
    assert (beam_1.rows != beam_5.rows).any(1).mean() > 0.2
