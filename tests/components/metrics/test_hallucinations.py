"""What is written where nothing is said: rates, words per minute, and intervals that none of n has, too."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.metrics.error_rates.recognition import recognition_scores
from components.metrics.statistics.proportions import wilson_interval
from components.records import Audio


def audio(seconds: float) -> Audio:
    return Audio(path="x.wav", sha256="0" * 64, seconds=seconds, sample_rate=16000)


def test_rate_and_words_per_minute_of_utterances_without_speech() -> None:
    n = 40
    references = {str(i): "" if i < n - 1 else "said" for i in range(n)}
    hypotheses = {key: "thanks for watching" if key in ("0", "1", "2") else "" for key in references}
    lengths = {key: audio(10.0) for key in references}
    scores = recognition_scores(references, hypotheses, language="en", n_total=n, audio=lengths)
    rate, words = scores["hallucinations"], scores["hallucinated_words"]
    assert (rate.value, rate.n) == (pytest.approx(100 * 3 / 39), 39)
    assert rate.interval == pytest.approx((2.6507, 20.3211), abs=1e-3)
    assert (words.value, words.n) == (pytest.approx(9 / (390 / 60)), 39)
    assert words.interval[0] < words.value < words.interval[1]
    without = recognition_scores(references, hypotheses, language="en", n_total=n)
    assert "hallucinated_words" not in without  # no audio, no minutes


def test_without_spaces_characters_are_counted() -> None:
    scores = recognition_scores(
        {"a": ""}, {"a": "ご視聴 ありがとう。"}, language="ja", n_total=1, audio={"a": audio(60.0)}
    )
    assert scores["hallucinated_words"].value == 8


def test_none_of_n_still_has_an_upper_end() -> None:
    references = dict.fromkeys(map(str, range(300)), "")
    scores = recognition_scores(references, references, language="en", n_total=300)
    assert scores["hallucinations"].value == 0.0
    assert scores["hallucinations"].interval == (0.0, pytest.approx(1.2643, abs=1e-3))


@given(st.integers(1, 400), st.data())
def test_wilsons_interval_is_where_the_normal_test_does_not_reject(n: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, n))
    interval = wilson_interval(count, n)
    for end in interval:
        if 0 < end < 1:  # |share - p| = z * sqrt(p (1 - p) / n) at both ends
            assert abs(count / n - end) == pytest.approx(1.959964 * (end * (1 - end) / n) ** 0.5, abs=1e-6)
    assert 0 <= interval[0] <= count / n <= interval[1] <= 1


def test_the_interval_covers_what_it_says() -> None:
    """Exact coverage of a binomial at n = 50, averaged over shares, is near 95%."""
    n, shares = 50, [k / 40 for k in range(1, 40)]
    ends = [wilson_interval(count, n) for count in range(n + 1)]
    covered = [
        sum(
            comb(n, k) * p**k * (1 - p) ** (n - k)
            for k, end in enumerate(ends)
            if end is not None and end[0] <= p <= end[1]
        )
        for p in shares
    ]
    assert sum(covered) / len(covered) == pytest.approx(0.95, abs=0.01)
    assert wilson_interval(0, 0) is None
