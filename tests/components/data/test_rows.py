from __future__ import annotations

from collections import Counter

import pytest

from components.data.dataset import Dataset, content_digest
from components.data.files.drafts import Draft
from components.data.files.parsing import RecordError
from components.data.row_building import build_rows
from components.data.row_reader import RowReader, count_pieces, is_valid_id


def build(*drafts, **options):
    reader = RowReader("set", **options)
    rows = [
        row
        for number, draft in enumerate(drafts)
        for row in reader.read(draft, f"set:{number}", f"set:{number}")
    ]
    return Dataset("set", tuple(build_rows(rows)))


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
    reader = RowReader("set")
    refused = [row.id for _ in range(2) for row in reader.refuse(RecordError("r", "m"), "set:1")]
    assert refused == ["set:1", "set:1'"]
    (folder,) = reader.refuse(RecordError("r", "m"), "/deep" * 200 + "/a\n\x1b.wav")
    assert is_valid_id(folder.id) and folder.id.endswith("/deep/a__.wav")


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
    reader = RowReader("set")
    list(reader.refuse(RecordError("r", "m"), "set:1", reader.usable_id("a")))
    assert reader.usable_id("cafe\u0301") == "caf\u00e9"
    assert [reader.usable_id(name) for name in ("a", "", 3, None, "\ud800")] == [None] * 5


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


def test_pieces_of_documents_are_counted():
    labels = (None if label == "." else label for label in "aab.ac")
    drafts = (Draft(text="x", source_language="en", document=label) for label in labels)
    reader, pieces = RowReader("set"), Counter()
    rows = (row for n, draft in enumerate(drafts) for row in reader.read(draft, f"{n}", f"{n}"))
    assert [row.id for row in count_pieces(rows, pieces)] == list("012345")
    assert pieces == {"a": 2, "b": 1, "c": 1}


def test_a_data_set_without_documents_keeps_its_digest():
    (plain,) = build(Draft(id="a", text="x", source_language="en")).utterances
    (part,) = build(Draft(id="a", text="x", source_language="en", document="d")).utterances
    assert "document" not in plain.model_dump()
    assert content_digest([plain], []) != content_digest([part], [])
