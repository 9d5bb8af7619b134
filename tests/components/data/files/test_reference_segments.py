"""Reference segments of a manifest: read, joined to the references of the whole, faulty ones named."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import pytest

from components.data import load
from components.data.dataset import content_digest


def load_record(folder: Path, segments: Any, **fields: Any) -> Any:
    """The data set of one record with 4 s of audio (without any, if ``audio`` is None)."""
    with wave.open(str(folder / "talk.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\1\2" * 32000)
    record = {"id": "talk", "audio": "talk.wav", "source_language": "en", "segments": segments, **fields}
    record = {name: value for name, value in record.items() if value is not None}
    (folder / "set.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    return load(str(folder / "set.jsonl"))


FIRST = {"start": 0, "end": 1.5, "transcript": "A dog.", "references": {"de": "Ein Hund.", "fr": "Un chien."}}
SECOND = {"start": 2, "end": 4.05, "transcript": "It runs.", "references": {"de": ["Er rennt.", "Er läuft."]}}


def test_segments_are_read_and_joined_to_the_references_of_the_whole(tmp_path: Path) -> None:
    (talk,) = load_record(tmp_path, [FIRST, SECOND], target_language="de").utterances
    assert [(s.start, s.end) for s in talk.reference_segments] == [(0, 1.5), (2, 4)]
    assert talk.reference_segments[1].references == ("Er rennt.", "Er läuft.")
    assert talk.transcript == "A dog. It runs."
    assert talk.references == ("Ein Hund. Er rennt.",)


def test_what_the_record_says_of_the_whole_stays(tmp_path: Path) -> None:
    (talk,) = load_record(tmp_path, [FIRST, SECOND], transcript="Whole.", references=["Alles."]).utterances
    assert (talk.transcript, talk.references) == ("Whole.", ("Alles.",))


def test_a_segment_without_transcript_leaves_the_whole_without(tmp_path: Path) -> None:
    (talk,) = load_record(tmp_path, [FIRST, {"start": 2, "end": 3}]).utterances
    assert (talk.transcript, talk.references) == (None, ())
    assert len(talk.reference_segments) == 2


FAULTS = [
    ([SECOND, FIRST], {}, "segment 2 of 2: expected a start after the end before it, 4.05 s, found 0 s"),
    ([FIRST, {"start": 1.3, "end": 2}], {}, "segment 2 of 2: expected a start after the end before it"),
    (
        [{"start": 1, "end": 2, "speaker": "a"}, {"start": 0, "end": 1, "speaker": "b"}],
        {},
        "segment 2 of 2: expected a start after the start before it, 1 s, found 0 s",
    ),
    (
        [{"start": 0, "end": 2, "speaker": "a"}, {"start": 1, "end": 3, "speaker": "a"}],
        {},
        "segment 2 of 2: expected a start after the end before it, 2 s",
    ),
    ([{"start": 1, "end": 1}], {}, "segment 1 of 1: expected 0 <= start < end, found 1 to 1 s"),
    ([{"start": -1, "end": 1}], {}, "expected 0 <= start < end, found -1 to 1 s"),
    ([{"start": 1, "end": 4.2}], {}, "segment 1 of 1: expected an end within the 4 s of audio, found 4.2 s"),
    ([{"start": 1}], {}, "segment 1 of 1: expected seconds in 'end', found none"),
    ([{"start": "1", "end": 2}], {}, "segment 1 of 1: expected seconds in 'start', found '1'"),
    ([{"start": 0, "end": 1, "text": "x"}], {}, "found 'text'"),
    ({"start": 0}, {}, "expected a list of objects with start and end in 'segments'"),
    ([1], {}, "expected a list of objects"),
    ([FIRST], {"audio": None, "text": "x"}, "expected segments of a recording, found a record without audio"),
]


@pytest.mark.parametrize(("segments", "fields", "message"), FAULTS)
def test_faulty_segments_quarantine_their_record(
    tmp_path: Path, segments: Any, fields: dict[str, Any], message: str
) -> None:
    dataset = load_record(tmp_path, segments, **fields)
    assert not dataset.utterances
    (bad,) = dataset.quarantined
    assert bad.utterance_id == "talk"
    assert message in bad.detail
    assert "set.jsonl:1" in bad.detail


def test_a_small_overlap_is_fine(tmp_path: Path) -> None:
    assert load_record(tmp_path, [FIRST, {"start": 1.42, "end": 2}]).utterances


def test_speakers_may_talk_at_the_same_time(tmp_path: Path) -> None:
    lines = [FIRST | {"speaker": "ann"}, {"start": 0.5, "end": 2, "transcript": "Oh.", "speaker": "bob"}]
    (talk,) = load_record(tmp_path, lines).utterances
    assert [segment.speaker for segment in talk.reference_segments] == ["ann", "bob"]
    read = type(talk).model_validate_json(talk.model_dump_json(exclude_defaults=True))
    assert read == talk


def test_segments_are_part_of_the_digest_and_records_without_them_keep_theirs(tmp_path: Path) -> None:
    (plain,) = load_record(tmp_path, None, transcript="a").utterances
    (segmented,) = load_record(tmp_path, [FIRST], transcript="a").utterances
    assert content_digest([plain], ()) != content_digest([segmented], ())
    # This is what it was before segments had speakers of their own, and the next
    assert content_digest([segmented], ()).startswith("d9915bfd45ec23fca53993411d597118")
    # is what it was before records had segments and speakers.
    assert content_digest([plain], ()) == "178dce44460dd65a442bd6e41cea04c6910323905a33487d8bf82d6e755ab28d"
