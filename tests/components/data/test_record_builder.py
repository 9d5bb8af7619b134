from __future__ import annotations

from pathlib import Path

import pytest

from components.data.files.drafts import Draft
from components.data.files.parsing import RecordError
from components.data.record_builder import RecordBuilder, is_valid_id


def build(*drafts, **options):
    builder = RecordBuilder("set", Path(), **options)
    for number, draft in enumerate(drafts):
        builder.add(draft, f"set:{number}", f"set:{number}")
    return builder.build_dataset(iter(()))


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\u2028b", "a\0", "\ud800", "x" * 513])
def test_ids_that_would_break_tables_are_refused(name):
    assert not is_valid_id(name)
    dataset = build(Draft(id=name, text="x", source_language="en"))
    assert [bad.reason for bad in dataset.quarantined] == ["bad field"]


def test_a_faulty_record_never_takes_the_id_of_a_good_one():
    dataset = build(
        Draft(id="set:1", text="x", source_language="en"), Draft(id="a", text=""), Draft(id="set:1", text="y")
    )
    assert [item.id for item in dataset.utterances] == ["set:1"]
    assert [item.utterance_id for item in dataset.quarantined] == ["a", "set:2"]
    builder = RecordBuilder("set", Path())
    builder.quarantine(RecordError("r", "m"), "set:1")
    builder.quarantine(RecordError("r", "m"), "set:1")
    assert [item.utterance_id for item in builder.quarantined] == ["set:1", "set:1'"]


def test_the_id_of_a_faulty_record_is_taken():
    dataset = build(
        Draft(id="a", text="", source_language="en"), Draft(id="a", text="x", source_language="en")
    )
    assert [item.utterance_id for item in dataset.quarantined] == ["a", "set:1"]


@pytest.mark.parametrize(
    ("language", "fine"),
    [("en", True), ("pt-BR", True), ("zh_Hant_TW", True), ("english", False), ("e", False)],
)
def test_languages_are_codes(language, fine):
    assert bool(build(Draft(id="a", text="x", source_language=language)).utterances) is fine


def test_free_names():
    builder = RecordBuilder("set", Path())
    builder.quarantine(RecordError("r", "m"), "set:1", builder.usable_id("a"))
    assert builder.usable_id("cafe\u0301") == "caf\u00e9"
    assert [builder.usable_id(name) for name in ("a", "", 3, None, "\ud800")] == [None] * 5


@pytest.mark.parametrize(
    ("draft", "reason", "detail"),
    [
        (
            Draft(id="a", text="x", source_language="deu-abcdefgh-12345678"),
            "bad field",
            "source_language: String should have at most 16 characters",
        ),
        (Draft(id="a", audio="x" * 4000, source_language="en"), "missing audio", "too long"),
    ],
)
def test_a_code_or_a_path_that_is_too_long_is_named(draft: Draft, reason: str, detail: str):
    (bad,) = build(draft).quarantined
    assert bad.reason == reason
    assert detail in bad.detail
