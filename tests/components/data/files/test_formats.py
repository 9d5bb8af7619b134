from __future__ import annotations

import pytest

from components.data.files.drafts import Draft
from components.data.files.formats import FORMATS
from components.data.files.parsing import RecordError

GOLDEN = [
    ("antiphon", {"id": "a", "text": "x"}, Draft(id="a", text="x")),
    (
        "antiphon",
        {"id": "a", "audio": "a.wav", "offset": 1, "duration": 2.5, "sha256": "ff", "transcript": ""},
        Draft(id="a", audio="a.wav", offset=1.0, duration=2.5, sha256="ff", transcript=""),
    ),
    (
        "antiphon",  # as our own records are written
        {"audio": {"path": "a.wav", "sha256": "ff", "seconds": 2.0, "sample_rate": 8000, "offset": 1.0}},
        Draft(audio="a.wav", offset=1.0, duration=2.0, sha256="ff"),
    ),
    ("antiphon", {"text": "x", "references": "y"}, Draft(text="x", references={"": ["y"]})),
    ("antiphon", {"text": "x", "references": ["y", " ", "z"]}, Draft(text="x", references={"": ["y", "z"]})),
    (
        "antiphon",
        {"text": "x", "references": {"de": "y", "fr": ["z"], "cs": None}},
        Draft(text="x", references={"de": ["y"], "fr": ["z"]}),
    ),
    (
        "nemo",
        {"audio_filepath": "a.wav", "duration": 2.0, "offset": None, "text": "hi", "lang": "en"},
        Draft(audio="a.wav", duration=2.0, transcript="hi", source_language="en"),
    ),
    (
        "nemo",
        {"audio_filepath": "a", "source_lang": "en", "target_lang": "de", "answer": "hallo"},
        Draft(audio="a", source_language="en", target_language="de", references={"": ["hallo"]}),
    ),
    (
        "files",
        {"file": "a.flac", "language": "en", "transcript": "hi", "translation": {"de": "ho"}, "sha256": "ff"},
        Draft(audio="a.flac", sha256="ff", transcript="hi", source_language="en", references={"de": ["ho"]}),
    ),
    ("files", {"file": "a.flac", "translation": None}, Draft(audio="a.flac")),
    (
        "tsv",
        {"client_id": "c", "path": "a.mp3", "sentence": "hi", "translation": "ho", "locale": ""},
        Draft(audio="a.mp3", transcript="hi", references={"": ["ho"]}, speaker="c"),
    ),
    ("csv", {"sentence": "hi", "locale": "en"}, Draft(text="hi", source_language="en")),
    (
        "csv",
        {
            "id": "7",
            "audio": "a.wav",
            "offset": "1,5",
            "transcript": "",
            "references": "ho",
            "language": "en",
        },
        Draft(id="7", audio="a.wav", offset=1.5, source_language="en", references={"": ["ho"]}),
    ),
]


@pytest.mark.parametrize(("name", "fields", "expected"), GOLDEN)
def test_golden(name, fields, expected):
    assert FORMATS[name].convert(fields) == expected


@pytest.mark.parametrize(
    ("name", "fields", "word"),
    [
        ("antiphon", {"text": 3}, "expected text in 'text'"),
        ("antiphon", {"audio": ["a.wav"]}, "expected text in 'audio'"),
        ("antiphon", {"audio": "a", "offset": "1"}, "expected seconds in 'offset'"),
        ("antiphon", {"audio": "a", "offset": True}, "expected seconds"),
        ("antiphon", {"audio": "a", "duration": float("inf")}, "finite"),
        ("antiphon", {"audio": "a", "duration": 10**400}, "finite"),
        ("antiphon", {"text": "x", "references": [None]}, "expected texts"),
        ("antiphon", {"text": "\ud800"}, "lone surrogate"),
        ("nemo", {"audio_filepath": None}, "audio_filepath"),
        ("files", {"file": ""}, "'file'"),
        ("tsv", {"audio": "a", "offset": "soon"}, "expected seconds in 'offset', found 'soon'"),
    ],
)
def test_wrong_types_are_named(name, fields, word):
    with pytest.raises(RecordError, match=word):
        FORMATS[name].convert(fields)


def test_every_mark_is_a_known_field():
    for form in FORMATS.values():
        assert set(form.identifying_fields) <= set(form.known_fields)
