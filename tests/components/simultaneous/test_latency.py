"""Latencies against plain definitions, and the golden values of OmniSTEval 0.1.10 on the same delays."""

from __future__ import annotations

import math

import pytest

from components.simultaneous.latency import (
    average_lagging,
    average_proportion,
    length_adaptive_lagging,
    measure_latencies,
    yet_another_lagging,
)

# delays, source length, units of the reference -> AL, LAAL, AP, YAAL of the recording, LongYAAL of a segment
GOLDEN: list[tuple[list[float], float, int, tuple[float | None, ...]]] = [
    (
        [0.26, 0.5, 1.27, 1.39, 1.89, 2.96, 3.06, 4.03, 4.75],
        3.67,
        3,
        (-2.361666666667, 0.492777777778, 1.826521344233, 0.395238095238, 0.603333333333),
    ),
    (
        [0.28, 0.97, 1.01, 1.38, 2.18, 2.22, 4.16, 4.58, 4.91],
        5.29,
        8,
        (-0.235, 0.058888888889, 0.51252362949, 0.058888888889, 0.058888888889),
    ),
    ([6.83], 8.7, 5, (6.83, 6.83, 0.157011494253, 6.83, 6.83)),
    ([4.03, 4.42, 6.08, 7.99, 9.3], 7.76, 8, (4.175, 4.175, 0.51256443299, 3.873333333333, 4.424)),
    ([7.1, 7.1, 7.1], 7.1, 3, (7.1, 7.1, 1.0, None, 4.733333333333)),
    ([6.05], 5.55, 6, (6.05, 6.05, 0.181681681682, None, 6.05)),
    ([4.7, 7.36, 7.83], 6.24, 6, (5.51, 5.51, 0.53125, 4.7, 5.59)),
    ([0.63, 2.14, 6.01, 6.93], 7.0, 5, (1.8275, 1.8275, 0.448857142857, 1.8275, 1.8275)),
    ([0.25, 2.37], 2.62, 7, (1.122857142857, 1.122857142857, 0.142857142857, 1.122857142857, 1.122857142857)),
    (
        [0.48, 0.48, 2.28, 4.06, 4.72, 5.74, 6.37],
        4.99,
        2,
        (-3.2775, 1.177857142857, 2.417835671343, 0.978285714286, 1.308571428571),
    ),
]


@pytest.mark.parametrize("row", GOLDEN, ids=[str(n) for n in range(len(GOLDEN))])
def test_latencies_are_those_of_omnisteval(
    row: tuple[list[float], float, int, tuple[float | None, ...]],
) -> None:
    delays, length, reference, wanted = row
    found = (
        average_lagging(delays, length, reference),
        length_adaptive_lagging(delays, length, reference),
        average_proportion(delays, length, reference),
        yet_another_lagging(delays, length, reference),
        yet_another_lagging(delays, length, reference, is_segment=True, recording_end=length + 2),
    )
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine == (None if theirs is None else pytest.approx(theirs, abs=1e-9))


def test_an_ideal_writer_lags_by_its_wait() -> None:
    delays = [1.0 + n for n in range(5)]
    assert average_lagging(delays, 6.0, 6) == pytest.approx(1.0)
    assert length_adaptive_lagging([*delays, 6.0, 6.0], 6.0, 6) == pytest.approx(
        sum(d - n * 6 / 7 for n, d in enumerate([*delays, 6.0])) / 6
    )


def test_an_output_that_is_empty_or_wholly_late_has_no_lag() -> None:
    nothing = measure_latencies([], 4.0, 3)
    assert (nothing.al, nothing.yaal, nothing.ap, nothing.start) == (None, None, None, None)
    assert yet_another_lagging([4.0, 4.0], 4.0, 2) is None
    assert yet_another_lagging([4.5], 4.0, 2, is_segment=True, recording_end=math.inf) == 4.5
    assert measure_latencies([4.0, 4.2], 4.0, 2).end == pytest.approx(0.2)
