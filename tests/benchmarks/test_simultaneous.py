"""The comparison of two policies at one latency, against numbers that are put in."""

from __future__ import annotations

import pytest

from benchmarks.quality.simultaneous.comparison import compare_at_latency
from benchmarks.quality.simultaneous.replays import count
from components.records import Audio, ReferenceSegment, Utterance

WORDS = "red green blue white black brown pink grey gold orange".split()  # noqa: SIM905 - as it is said
AUDIO = Audio(path="a.wav", sha256="0" * 64, seconds=4, sample_rate=16000)
SEGMENTS = tuple(
    ReferenceSegment(start=start, end=start + 2, transcript=" ".join(words))
    for start, words in ((0, WORDS[:5]), (2, WORDS[5:]))
)
SPOKEN = Utterance(id="u", audio=AUDIO, source_language="en", reference_segments=SEGMENTS)


def row(number: int, policy: str, lag: float, errors: int) -> dict[str, object]:
    text = " ".join([*WORDS[errors:]])
    return {"id": str(number), "policy": policy, "yaal": [lag, lag], "counts": count("people", SPOKEN, text)}


def test_the_difference_at_one_latency_lies_between_two_settings() -> None:
    rows = [
        each
        for number in range(12)
        for each in (
            row(number, "local_agreement:2", 2.0, 3),  # 30% of the words are missing
            row(number, "alignatt:25", 1.0, 4),
            row(number, "alignatt:50", 3.0, 1),  # at 2 s: 25%
        )
    ]
    (found,) = compare_at_latency("wer", rows)
    assert (found.policy, found.lag, found.outside) == ("local_agreement:2", 2.0, 0.0)
    assert found.value == pytest.approx(5.0)
    assert found.interval == pytest.approx((5.0, 5.0))
    (beyond,) = compare_at_latency("wer", [each for each in rows if each["policy"] != "alignatt:50"])
    assert beyond.outside == 1.0
    assert beyond.value == pytest.approx(-10.0)
