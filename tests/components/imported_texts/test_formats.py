"""What other programs write is read as they write it, and joined by id, or by recording and time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.errors import DataError
from components.imported_texts.formats import READERS, read_outputs
from components.imported_texts.outputs import Outputs
from components.imported_texts.segment_fields import write_segment
from components.records import Audio, Utterance

WHISPERX = {
    "segments": [
        {"start": 0.2, "end": 1.5, "text": " Good morning.", "words": [{"word": "Good"}], "speaker": "A"},
        {"start": 2.0, "end": 3.5, "text": " Sit down."},
    ],
    "word_segments": [],
    "language": "en",
}
INSPECT = {
    "eval": {"task": "x"},
    "samples": [
        {"id": "a", "epoch": 1, "output": {"model": "m", "choices": [], "completion": "Guten Tag"}},
        {"id": 2, "output": {"completion": "Ja"}},
    ],
}
SRT = (
    "1\n00:00:00,200 --> 00:00:01,500\nGood <i>morning</i>.\n\n2\n00:00:02,000 --> 00:00:03,500\nSit down.\n"
)
FILES = {
    "talk.json": json.dumps(WHISPERX),
    "talk.srt": SRT,
    "talk.en.vtt": "WEBVTT\n\n00:00:00.200 --> 00:00:01.500\nGood morning.\n\n"
    "00:00:02.000 --> 00:00:03.500\nSit down.\n",
    "words.ctm": ";; sclite\ntalk 1 0.20 0.50 Good\ntalk 1 0.80 0.70 morning.\n"
    "talk 1 2.0 0.5 Sit\ntalk 1 2.6 0.4 down.\n",
    "ours.tsv": "recording\tid\tstart\tend\ttext\n"
    "talk\ttalk@0\t0.200\t1.500\tGood morning.\ntalk\ttalk@1.8\t2.0\t3.5\tSit down.\n",
    "turns.stm": "talk 1 ann 0.20 1.50 <o,f0,male> Good morning.\ntalk 1 ben 2.0 3.5 Sit down.\n",
}


END = {**dict.fromkeys(FILES, 3.5), "words.ctm": 3.0}
"""Seconds at which the last segment ends."""


def stretch(key: str, offset: float, seconds: float, path: str = "/x/talk.wav") -> Utterance:
    audio = Audio(path=path, sha256="0" * 64, seconds=seconds, sample_rate=16000, offset=offset)
    return Utterance(id=key, audio=audio, source_language="en")


def read(folder: Path, name: str, content: str) -> Outputs:
    (folder / name).write_text(content, encoding="utf-8")
    return read_outputs(str(folder / name))


@pytest.mark.parametrize("name", FILES)
def test_pieces_with_times_are_given_to_the_stretches_of_their_recording(name: str, tmp_path: Path) -> None:
    outputs = read(tmp_path, name, FILES[name])
    assert said(outputs, stretch("talk", 0, 4.0)) == [
        ("Good morning.", 0.2, 1.5),
        ("Sit down.", 2.0, END[name]),
    ]
    assert said(outputs, stretch("talk@0", 0, 1.8)) == [("Good morning.", 0.2, 1.5)]
    assert said(outputs, stretch("talk@1.8", 1.8, 2.2)) == [("Sit down.", 0.2, round(END[name] - 1.8, 3))]
    assert said(outputs, stretch("talk@2.5", 2.5, 0.4)) in ([("Sit down.", 0.0, 0.4)], [("down.", 0.1, 0.4)])
    assert outputs.output_of(stretch("other", 0, 4.0, "/x/other.wav")) is None


def said(outputs: Outputs, utterance: Utterance) -> list[tuple[str, float, float]]:
    """Texts and times of an utterance's segments, which make up its text."""
    output = outputs.output_of(utterance)
    assert output.text == " ".join(each.text for each in output.segments)
    return [(each.text, each.start, each.end) for each in output.segments]


def test_words_keep_their_times_and_speakers_their_names(tmp_path: Path) -> None:
    """A number, to which WhisperX gives no times, is said between its neighbors."""
    words = [{"word": "In", "start": 1.0, "end": 1.2}, {"word": "1984"}]
    words += [
        {"word": "it", "start": 2.0, "end": 2.1, "score": 0.9},
        {"word": "rained.", "start": 3, "end": 4},
    ]
    segment = {"start": 1.0, "end": 4.0, "text": " In 1984 it rained.", "words": words, "speaker": "A"}
    outputs = read(tmp_path, "talk.json", json.dumps({"segments": [segment]}))
    output = outputs.output_of(stretch("talk", 0, 5.0))
    assert output.segments[0].speaker == "A"
    assert [(each.text, each.start, each.end) for each in output.segments[0].words] == [
        ("In", 1.0, 1.2),
        (" 1984", 1.2, 2.0),
        (" it", 2.0, 2.1),
        (" rained.", 3.0, 4.0),
    ]
    assert said(outputs, stretch("talk@1.5", 1.5, 1.0)) == [("1984 it", 0.0, 1.0)]


OURS = "recording\tid\tsegment\tstart\tend\ttext\tquarantined\n"


def test_what_is_kept_of_a_row_is_what_was_read(tmp_path: Path) -> None:
    """Rows have times of the recording, as `antiphon export --format jsonl` writes them."""
    whole = read(tmp_path, "words.ctm", FILES["words.ctm"])
    later = stretch("talk@1.8", 1.8, 2.2)
    output = whole.output_of(later)
    segments = [write_segment(segment, 1.8) for segment in output.segments]
    assert segments[0]["words"][0]["start"] == 2.0
    row = {"id": later.id, "text": output.text, "segments": segments}
    assert read(tmp_path, "kept.jsonl", json.dumps(row)).output_of(later) == output


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("o.jsonl", '{"id": "a", "text": "x  y"}\n{"id": "b", "text": ""}\n', {"a": "x y", "b": ""}),
        ("o.jsonl", '{"audio_filepath": "w/a.flac", "pred_text": "x"}\n', {"a": "x"}),
        ("o.csv", 'utterance,hypothesis\na.b,"x, y"\n', {"a.b": "x, y"}),
        ("o.tsv", "path\tsentence\tup\nclips/a.mp3\tx\t2\n", {"a": "x"}),
        ("o.tsv", f"{OURS}talk\ta\t1\t0.0\t1.5\t'- x\t\ntalk\tb\t\t\t\t\tno audio\n", {"talk": "- x"}),
        ("o.tsv", f"{OURS}set\ta\t\t\t\tx\t\nset\tb\t\t\t\t\tno text\n", {"a": "x", "b": ""}),
        ("o.srt", "\n", {"o": ""}),
        ("o.vtt", "WEBVTT\n", {"o": ""}),
        ("o.trn", "x y (spk-1)\n(spk-2)\n", {"spk-1": "x y", "spk-2": ""}),
        ("o.json", json.dumps(INSPECT), {"a": "Guten Tag", "2": "Ja"}),
        ("o.json", '{"a": "x", "cafe\u0301": "y"}', {"a": "x", "caf\u00e9": "y"}),
        ("o.txt", "x\n\ny\n", {"000001": "x", "000002": "", "000003": "y"}),
    ],
)
def test_texts_by_id_and_lines(name: str, content: str, texts: dict[str, str], tmp_path: Path) -> None:
    assert read(tmp_path, name, content).texts() == texts


def test_a_folder_has_a_file_per_recording(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("A first\nline.\n")
    (tmp_path / "talk.json").write_text(FILES["talk.json"])
    (tmp_path / "notes.md").write_text("no output")
    outputs = read_outputs(str(tmp_path))
    assert outputs.texts() == {"talk": "Good morning. Sit down.", "one": "A first line."}
    (tmp_path / "talk.srt").write_text(SRT)
    with pytest.raises(DataError, match=r"talk.srt: expected each recording once, found 'talk' in another"):
        read_outputs(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("o.doc", "x", r"expected a file \.txt, .*found '\.doc'"),
        ("o.jsonl", '{"key": "a", "words": "x"}\n', r"o.jsonl:1: expected an id .*found key, words"),
        ("o.jsonl", '{"id": "a", "text": 3}\n', "expected a text, found 3"),
        ("o.jsonl", '{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}\n', "found a second of 'a'"),
        ("o.ctm", "talk 1 0.2 word\n", "o.ctm:1: expected recording, channel, start, duration, word"),
        ("o.stm", "talk 1 ann 0.2 end x\n", "o.stm:1: expected recording, channel, speaker"),
        ("o.trn", "no id\n", r"o.trn:1: expected a text and its id such as \(talk-1\)"),
        ("o.trn", "x (a)\ny (a)\n", "o.trn:2: expected one text each, found a second of 'a'"),
        ("o.json", '{"segments": [{"text": "x"}]}', "expected segments with start, end and text"),
        ("o.json", "[1, 2", "JSON"),
        ("o.json", "3", "expected segments, samples, or texts by id"),
        ("o.srt", "x", "expected cues"),
    ],
)
def test_what_is_no_output_is_one_line(name: str, content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as error:
        read(tmp_path, name, content)
    assert "\n" not in str(error.value)
    assert set(READERS) >= {".ctm", ".stm", ".trn"}
