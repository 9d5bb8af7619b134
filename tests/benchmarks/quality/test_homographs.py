"""The statistics of the choices on the homograph page."""

from __future__ import annotations

from benchmarks.claims.speech.homographs import Sentence, sentences
from benchmarks.quality.stacking.choices import accuracy_interval, mcnemar
from benchmarks.quality.stacking.experiment import Verdict


def verdict(sentence: Sentence, right: bool) -> Verdict:
    return Verdict(sentence, right, right, "")


def test_the_statistics_of_the_choices() -> None:
    word_set = [s for s in sentences() if s.split == "words"]
    half = [verdict(s, s.reading == 0) for s in word_set]
    value, low, high = accuracy_interval(half)
    assert value == low == high == 50  # a text-only system is at chance in every word
    every = [verdict(s, True) for s in word_set]
    assert accuracy_interval(every) == (100, 100, 100)
    assert mcnemar(half, half) == 1.0
    assert mcnemar(every[:20], half[:20]) == 2 / 2**10  # ten wins, no loss
