"""What corrections teach: each kind of file against a small case written out by hand."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import pytest

from components import data
from components.editing import lessons as learning
from components.editing.lessons import Lesson, relative_location
from components.files.digests import file_digest
from components.records import Audio, Hypothesis, Utterance
from components.training.examples.parallel_data import read_pairs
from components.translation.context.few_shot_examples import read_examples


@pytest.fixture
def utterance(tmp_path: Path) -> Utterance:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(b"\1\2" * 16000)
    digest = file_digest(tmp_path / "a.wav")
    audio = Audio(path=str(tmp_path / "a.wav"), sha256=digest, seconds=1.0, sample_rate=16000)
    return Utterance(id="u1", audio=audio, source_language="en", target_language="de")


def lesson(utterance: Utterance, before: str, after: str, source: str | None = None) -> Lesson:
    hypothesis = Hypothesis(text=before, score=-2.0, n_tokens=4, system="s", features={"no_speech": 0.5})
    node, language = ("asr", "en") if source is None else ("mt", "de")
    return Lesson(node, utterance, hypothesis, after, source, language)


def write(path: Path, rows: list[learning.Row]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_pairs_and_transcripts_are_manifests_that_runs_and_trainings_read(
    utterance: Utterance, tmp_path: Path
) -> None:
    text = Utterance(id="u2", text="a cat", source_language="en", target_language="de")
    lessons = [
        lesson(utterance, "two dog", "two dogs"),
        lesson(utterance, "zwei Hund", "zwei Hunde", "two dog"),
        lesson(text, "ein Katze", "eine Katze", "a cat"),
    ]
    pairs = write(tmp_path / "pairs.jsonl", learning.make_pairs(lessons))
    assert read_pairs(pairs, ("en", "de"))[0] == [("two dogs", "zwei Hunde"), ("a cat", "eine Katze")]
    recordings = write(tmp_path / "transcripts.jsonl", learning.make_transcripts(lessons, tmp_path))
    (spoken,) = data.load(recordings).utterances
    assert (spoken.transcript, spoken.audio) == ("two dogs", utterance.audio)
    assert spoken.references == ("zwei Hunde",)


def test_the_first_stretch_of_a_recording_is_no_whole_recording(utterance: Utterance, tmp_path: Path) -> None:
    first = utterance.model_copy(update={"audio": utterance.audio.model_copy(update={"seconds": 0.5})})
    rows = learning.make_transcripts([lesson(first, "two dog", "two dogs")], tmp_path)
    (spoken,) = data.load(write(tmp_path / "transcripts.jsonl", rows)).utterances
    assert spoken.audio == first.audio


def test_a_models_transcript_is_no_reference(utterance: Utterance, tmp_path: Path) -> None:
    lessons = [lesson(utterance, "zwei Hund", "zwei Hunde", "two dog")]
    assert learning.make_transcripts(lessons, tmp_path) == []
    assert learning.make_pairs(lessons)[0]["text"] == "two dog"


def test_examples_are_read_by_the_prompt(utterance: Utterance, tmp_path: Path) -> None:
    approved = lesson(utterance, "eine Katze", "eine Katze", "a cat")
    rows = learning.make_examples([lesson(utterance, "zwei Hund", "zwei Hunde", "two dogs"), approved])
    assert read_examples(Path(write(tmp_path / "e.jsonl", rows))) == [("two dogs", "zwei Hunde")]
    assert rows[0]["draft"] == "zwei Hund"


def test_terms_are_what_is_replaced_again_and_again(utterance: Utterance) -> None:
    corrected = [
        lesson(utterance, "the anti phone, runs", "the Antiphon, runs"),
        lesson(utterance, "an anti phone.", "an Antiphon."),
        lesson(utterance, "it ran", "it runs"),
    ]
    assert learning.find_terms(corrected, 2) == [
        {"count": 2, "before": "anti phone", "after": "Antiphon", "node": "asr", "ids": "u1"}
    ]


def test_calibration_says_how_sure_and_how_right(utterance: Utterance) -> None:
    wrong, right = learning.make_calibration(
        [lesson(utterance, "a b c d", "a x c d e"), lesson(utterance, "a b", "a b")]
    )
    assert (wrong["kept"], wrong["right"], right["kept"], right["right"]) == (0.75, 0, 1.0, 1)
    assert wrong["confidence"] == pytest.approx(2.718281828 ** (-2 / 4))
    assert wrong["features"] == {"no_speech": 0.5}


def test_the_share_of_words_that_a_correction_kept() -> None:
    assert learning.share_kept("a dog runs fast", "the dog runs") == 0.5
    assert (learning.share_kept("", ""), learning.share_kept("", "a")) == (1.0, 0.0)


def test_a_location_in_a_manifest_is_seen_from_its_folder() -> None:
    assert relative_location("/x/t.tar#a.wav", Path("/x/y")) == "../t.tar#a.wav"
    assert relative_location("s3://b/a.wav", Path("/x/y")) == "s3://b/a.wav"
