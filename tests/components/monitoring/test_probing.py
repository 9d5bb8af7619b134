"""What is taken from a recording, whether it is written all the same, and how likely that is by guessing."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile

from components.audio import SAMPLE_RATE, describe
from components.monitoring.probing.guessing import guess_words
from components.monitoring.probing.probes import (
    Target,
    count_written,
    exchange_number,
    opening_words,
    replace_opening,
    silence,
    time_words,
)
from components.monitoring.probing.recordings import make_probes
from components.monitoring.probing.verdict import ProbeRow, judge, tail_probability
from components.records import Hypothesis, NBest, Segment, Utterance, Word

SAID = "Two young boys build a snow wall."
TIMES = (
    ("Two", 0.0),
    (" young", 0.3),
    (" toys", 0.7),
    (" build", 1.0),
    (" a", 1.4),
    (" snow", 1.5),
    (" wall.", 1.9),
)


@pytest.fixture
def heard() -> NBest:
    words = tuple(Word(start=start, end=start + 0.3, text=text) for text, start in TIMES)
    segment = Segment(start=0.0, end=2.2, text="Two young toys build a snow wall.", words=words)
    best = Hypothesis(text=segment.text, score=-1.0, n_tokens=8, system="asr", segments=(segment,))
    return NBest(utterance_id="u", hypotheses=(best,))


def test_words_that_were_heard_rightly_have_times(heard: NBest) -> None:
    timed = time_words(SAID, heard)
    assert [(each.position, each.word) for each in timed][:3] == [(0, "two"), (1, "young"), (3, "build")]
    assert [each.word for each in opening_words(timed, 2.6)] == ["young", "build"]


def test_a_word_is_silent_and_nothing_else() -> None:
    samples = np.ones(2 * SAMPLE_RATE, np.float32)
    changed = silence(samples, Target(position=1, word="young", start=0.5, end=0.8))
    assert not changed[int(0.47 * SAMPLE_RATE) : int(0.83 * SAMPLE_RATE)].any()
    assert (changed[: int(0.44 * SAMPLE_RATE)] == 1).all()
    assert (changed[int(0.86 * SAMPLE_RATE) :] == 1).all()
    first = silence(samples, Target(position=0, word="two", start=0.042, end=0.3))
    assert (
        not first[40 : int(0.33 * SAMPLE_RATE)].any() and first[-SAMPLE_RATE:].all() and first[0] > first[31]
    )
    opening = replace_opening(samples, np.full(100, 0.5, np.float32))
    assert (opening[:SAMPLE_RATE] == 0.5).all() and (opening[SAMPLE_RATE:] == 1).all()


def test_the_opening_of_another_recording_does_not_say_what_was_taken(heard: NBest, tmp_path: Path) -> None:
    """Of a sentence that several people read a recognizer wrote what it heard, and seemed to know it."""
    spoken = []
    for key, text, level in (("u", SAID, 0.1), ("again", SAID, 0.2), ("other", "a dog runs", 0.3)):
        soundfile.write(tmp_path / f"{key}.wav", np.full(3 * SAMPLE_RATE, level), SAMPLE_RATE)
        sound = describe(tmp_path / f"{key}.wav")
        spoken.append(Utterance(id=key, audio=sound, source_language="en", transcript=text))
    lists = {u.id: heard.model_copy(update={"utterance_id": u.id}) for u in spoken}
    probes = [each for each in make_probes(spoken, lists, tmp_path, 2) if each.kind == "cue"]
    assert [each.id for each in probes] == ["u~cue", "again~cue"]
    for number in (0, 1):
        changed, _ = soundfile.read(tmp_path / f"{number:05d}-cue.flac")
        assert changed[0] == pytest.approx(0.3, abs=1e-3)
    assert not [each for each in make_probes(spoken[:2], lists, tmp_path, 2) if each.kind == "cue"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Two young boys build a wall", {1: True, 5: False}),
        ("two boys build a snow wall", {1: False, 5: True}),
        ("snow boys young", {1: False, 5: False}),
        ("", {1: False, 5: False}),
    ],
)
def test_a_word_counts_where_it_was(written: str, expected: dict[int, bool]) -> None:
    targets = [Target(position=1, word="young"), Target(position=5, word="snow")]
    if written == "snow boys young":  # one of the two may stand where it was, in another order neither twice
        assert sum(count_written(SAID, written, targets).values()) <= 1
    else:
        assert count_written(SAID, written, targets) == expected


def test_a_number_is_exchanged_for_another() -> None:
    exchanged = exchange_number(SAID, "u")
    text, target = exchanged
    assert (target.position, target.word) == (0, "two")
    assert text.split()[1:] == SAID.split()[1:] and text.split()[0] != "Two"
    assert exchange_number("a dog runs", "u") is None


def test_the_tail_is_that_of_all_outcomes() -> None:
    chances = np.array([0.1, 0.5, 0.7, 0.2])
    for least in range(5):
        expected = sum(
            np.prod([p if hit else 1 - p for p, hit in zip(chances, outcome, strict=True)])
            for outcome in product((0, 1), repeat=4)
            if sum(outcome) >= least
        )
        assert tail_probability(chances, least) == pytest.approx(expected)


def test_a_language_model_shares_its_guess_among_words() -> None:
    class Counting:
        def score_variants(self, texts: list[str]) -> list[float]:
            return [-1.0 if "snow" in text else -3.0 for text in texts]

        def likely_words(self, text: str, most: int) -> list[str]:
            assert (text, most) == ("Two young boys build a", 100)
            return ["brick", "Snow", "stone"]

    transcripts = {"a": SAID, "b": "Three happy dogs jump over water"}
    (guess,) = guess_words(Counting(), transcripts, [("a", Target(position=5, word="snow"))])
    others = len({"young", "boys", "build", "wall", "three", "happy", "dogs", "jump", "over", "water"}) + 2
    assert guess == pytest.approx(1 / (1 + others * np.exp(-2)))


def test_a_verdict() -> None:
    def row(n: int, written: bool) -> ProbeRow:
        return ProbeRow(
            kind="silence",
            probe=f"p{n}",
            utterance=f"u{n // 2}",
            word="x",
            written=written,
            guess=0.2,
            text="",
        )

    knows = judge("silence", [row(n, n % 4 > 0) for n in range(40)])
    hears = judge("silence", [row(n, n % 8 == 0) for n in range(40)])
    assert (knows.n, knows.recordings, knows.written) == (40, 20, 75.0)
    assert knows.p < 1e-6 < 0.5 < hears.p
