"""Who speaks when: turns on words, RTTM, and the packaged diarizer on two human voices."""

from __future__ import annotations

import os
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import audio
from components.errors import ConfigError
from components.metrics.error_rates.turns import Turn
from components.models import resolve
from components.records import Audio, Segment, Utterance, Word
from components.speakers.diarization_error import count_seconds
from components.speakers.diarizers.diarizer import HowMany
from components.speakers.diarizers.voice_clustering import VoiceClustering, cluster
from components.speakers.kinds.diarize import _from_file
from components.speakers.rttm import read_rttm, write_rttm
from components.speakers.speaker_turns import SpeakerTurn, TurnIndex, label_segments, name_speakers

SHARED = Path(os.environ.get("ANTIPHON_SHARED", Path(__file__).parents[3] / ".." / "shared"))
TURNS = [SpeakerTurn(0.0, 2.0, "b"), SpeakerTurn(2.5, 4.0, "a")]


def said(*words: tuple[float, float, str]) -> Segment:
    timed = tuple(Word(start=start, end=end, text=text) for start, end, text in words)
    return Segment(
        start=words[0][0], end=words[-1][1], text="".join(w[2] for w in words).strip(), words=timed
    )


def test_a_segment_is_cut_where_the_speaker_changes() -> None:
    segment = said((0.1, 0.5, " Well,"), (0.6, 1.9, " yes."), (2.2, 2.9, " And"), (3.0, 3.9, " you?"))
    pieces = label_segments([segment], TURNS)
    assert [(piece.text, piece.speaker, piece.start, piece.end) for piece in pieces] == [
        ("Well, yes.", "b", 0.1, 1.9),
        ("And you?", "a", 2.2, 3.9),
    ]
    assert [word for piece in pieces for word in piece.words] == list(segment.words)


def test_a_word_alone_within_those_of_another_is_the_others() -> None:
    turns = [SpeakerTurn(0, 1, "a"), SpeakerTurn(1, 2, "b"), SpeakerTurn(2, 3, "a")]
    (piece,) = label_segments([said((0, 1, " one"), (1, 2, " two"), (2, 3, " three"))], turns)
    assert (piece.speaker, piece.text) == ("a", "one two three")


times = st.floats(0, 30, allow_nan=False)


@given(st.lists(st.tuples(times, times, st.sampled_from("abc")), max_size=12), times, times)
def test_who_speaks_is_found_as_by_looking_at_all_turns(
    given: list[tuple[float, float, str]], start: float, length: float
) -> None:
    turns = [SpeakerTurn(a, a + b, name) for a, b, name in given]
    end = start + length
    shares: dict[str, float] = {}
    for turn in turns:
        shares[turn.speaker] = shares.get(turn.speaker, 0.0) + max(
            0.0, min(end, turn.end) - max(start, turn.start)
        )
    found = TurnIndex(turns).speaker_of(start, end)
    if any(shares.values()):
        assert found is not None
        assert shares[found] == pytest.approx(max(shares.values()))
    else:
        assert (found is None) == (not turns)


def test_rttm_comes_back_and_a_wrong_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "talk.rttm"
    file.write_text("; a comment\n" + write_rttm("my talk", TURNS), encoding="utf-8")
    assert read_rttm(file) == {"my_talk": TURNS}
    file.write_text(write_rttm("my talk", TURNS) + write_rttm("caf\u00e9", TURNS[:1]), encoding="utf-8")
    turns_of = _from_file(str(file))
    for name, turns in (("my talk.wav", TURNS), ("cafe\u0301.wav", TURNS[:1])):  # as a Mac writes it
        sound = Audio(path=name, sha256="0" * 64, seconds=9, sample_rate=16000)
        assert turns_of(Utterance(id="1", audio=sound, source_language="en")) == turns
    file.write_text("SPEAKER talk 1 zero 2 <NA> <NA> a <NA> <NA>\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"talk\.rttm:1: expected SPEAKER FILE 1 START SECONDS"):
        read_rttm(file)
    file.write_text("hello\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="expected lines SPEAKER FILE"):
        read_rttm(file)


def test_voices_that_are_far_apart_are_two_speakers_and_a_crowd_is_as_many_as_are_said() -> None:
    rng = np.random.default_rng(0)
    centers = np.eye(256)[[3, 7]]
    voices = np.concatenate([center + 0.02 * rng.normal(size=(20, 256)) for center in centers])
    voices = (voices / np.linalg.norm(voices, axis=1, keepdims=True)).astype(np.float32)
    labels = cluster(voices, HowMany())
    assert len(set(labels[:20])) == len(set(labels[20:])) == 1
    assert labels[0] != labels[-1]
    assert len(set(cluster(voices, HowMany(exactly=1)))) == 1
    assert len(set(cluster(voices, HowMany(exactly=3)))) == 3
    assert len(set(cluster(voices, HowMany(at_most=1)))) == 1


@pytest.mark.models
@pytest.mark.shared
def test_two_human_voices_are_told_apart() -> None:
    folder = SHARED / "data" / "audio"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/audio (or ANTIPHON_SHARED)")
    sounds = [
        audio.decode(audio.describe(folder / name))
        for name in ("en_lj001-0001.flac", "en_kathleen_arctic_a0001.flac", "en_lj001-0003.flac")
    ]
    pause = np.zeros(8_000, np.float32)
    samples = np.concatenate([part for sound in sounds for part in (pause, sound)])
    borders = np.cumsum([len(sound) + len(pause) for sound in sounds]) / audio.SAMPLE_RATE
    diarize = VoiceClustering().load(resolve("packaged:voice-encoder"), "cpu")
    turns = name_speakers(diarize(samples, HowMany()))
    index = TurnIndex(turns)
    starts = [0.0, *borders[:-1]]
    heard = [index.speaker_of(a + 0.5, b) for a, b in zip(starts, borders, strict=True)]
    assert heard == ["speaker 1", "speaker 2", "speaker 1"]
    seconds = sum(turn.end - turn.start for turn in turns)
    assert seconds == pytest.approx(sum(map(len, sounds)) / audio.SAMPLE_RATE, rel=0.15)


turns_of_some = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 8), st.sampled_from("abc")), min_size=1, max_size=6
)


@given(turns_of_some, turns_of_some)
def test_the_error_rate_is_that_of_counting_each_second(
    spoken: list[tuple[int, int, str]], heard: list[tuple[int, int, str]]
) -> None:
    reference, output = (
        [Turn(name, float(start), float(start + length), "x") for start, length, name in side]
        for side in (spoken, heard)
    )
    names = ["a", "b", "c"]
    best = float("inf")
    for order in permutations(names):
        as_reference = dict(zip(names, order, strict=True))
        wrong = 0
        for second in range(30):
            said = {turn.speaker for turn in reference if turn.start <= second < turn.end}
            found = {as_reference[turn.speaker] for turn in output if turn.start <= second < turn.end}
            wrong += max(len(said), len(found)) - len(said & found)
        best = min(best, wrong)
    seconds, speech = count_seconds(reference, output)
    assert seconds == pytest.approx(best)
    assert speech == sum(
        any(turn.start <= second < turn.end and turn.speaker == name for turn in reference)
        for second in range(30)
        for name in names
    )
