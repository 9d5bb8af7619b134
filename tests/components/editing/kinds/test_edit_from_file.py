"""Corrections by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.editing.correction import Correction, correct
from components.editing.corrections_stage import read_corrections_of, store_corrections
from components.editing.kinds.edit_from_file import (
    EditFromFile,
    EditFromFileSettings,
    _edit,
    read_corrections,
)
from components.errors import ConfigError
from components.nodes.kind import KINDS
from components.nodes.node_context import Item
from components.records import Segment, Utterance
from components.storage.store import Store
from tests.components.nodes.items import compute, item, items, nbest, texts_of


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.tsv", 'id\ttext\tby\nu1\tTwo "dogs"\tme\n'),
        ("c.jsonl", '{"id": "u1", "text": "Two \\"dogs\\""}\n'),
    ],
)
def test_what_is_corrected_changes_and_the_rest_goes_on(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    read = items("a cat", "two dogs", "cows")
    outcomes = compute(EditFromFile(), {"file": str(path)}, read)
    assert texts_of(outcomes) == ["a cat", 'Two "dogs"', "cows"]
    assert outcomes[0] is read[0].inputs["asr"]
    assert (outcomes[1].best.system, outcomes[1].best.tokens, outcomes[1].language) == ("node", (), "en")
    assert list(EditFromFile().facts(EditFromFileSettings(file=str(path))).utterance_ids()) == ["u1"]


def test_the_mark_before_what_looks_like_a_formula_is_no_text(tmp_path: Path) -> None:
    """As `antiphon export --for-edit` guards it; JSON lines need none."""
    path = tmp_path / "c.tsv"
    path.write_text("id\ttext\n'-u1\t'- Yes.\nu2\t'tis\n")
    assert read_corrections(str(path)) == {"-u1": "- Yes.", "u2": "'tis"}
    path = tmp_path / "c.jsonl"
    path.write_text('{"id": "u1", "text": "\'- Yes."}\n')
    assert read_corrections(str(path)) == {"u1": "'- Yes."}
    path.write_text('{"id": "cafe\\u0301", "text": "Yes."}\n')
    assert read_corrections(str(path)) == {"caf\u00e9": "Yes."}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id\ttext\nu1\ta\nu1\tb\n", ":3: expected one correction each, found a second of 'u1'"),
        ("id\twords\nu1\ta\n", ":2: expected id and text, found id, words"),
        ("id\ttext\nu1\n", ":2: expected 2 cells as in the header, found 1"),
        (None, "expected a readable file of corrections, found"),
    ],
)
def test_a_faulty_file_is_refused_with_its_line(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "c.tsv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError) as fault:
        compute(EditFromFile(), {"file": str(path)}, items("a"))
    assert message in str(fault.value)
    assert "\n" not in str(fault.value)


LINEAGE = {"node": "asr", "by": "ann", "at": "2026-01-02T03:04:05Z", "file": "asr.srt"}


def test_corrections_of_the_store_are_applied_with_their_times(tmp_path: Path) -> None:
    store, times = (
        Store(str(tmp_path)),
        (Segment(start=0.5, end=1.5, text="two"), Segment(start=2, end=3, text="dogs")),
    )
    first = store_corrections(store, "asr", [Correction(id="u0", text="a bat", **LINEAGE)], None)
    more = [Correction(id="u1", text="two dogs", segments=times, **LINEAGE)]
    more += [Correction(id="u0", text="a cat", **LINEAGE)]
    second = store_corrections(store, "asr", more, first.key)
    assert [each.text for each in read_corrections_of(store, second.key)] == ["a bat", "two dogs", "a cat"]
    spoken = item("u0", asr=nbest("u0", "a rat", segments=(Segment(start=1, end=2, text="a rat"),)))
    context = {"store": str(tmp_path), "tables": {"corrections": second}}
    outcomes = compute(
        EditFromFile(), {"corrections": "c"}, [spoken, *items("x", "too dogs", "cows")[1:]], **context
    )
    assert texts_of(outcomes) == ["a cat", "two dogs", "cows"]  # of two corrections the later counts
    assert outcomes[0].best.segments == (Segment(start=1, end=2, text="a cat"),)
    assert outcomes[1].best.segments == times


def test_what_is_written_keeps_its_times() -> None:
    """Subtitles that an edit reads without a node between them and it."""
    times = (Segment(start=1.0, end=2.0, text="two dogs"),)
    utterance = Utterance(id="u", text="two dogs", source_language="en", segments=times)
    for correction in (None, Correction(id="u", text="two cats", node="asr", by="me", at="", file="")):
        best = _edit(Item(utterance=utterance, segments=times), correction, "node").best
        assert [(s.start, s.end, s.text) for s in best.segments] == [(1.0, 2.0, best.text)]


@pytest.mark.parametrize(
    ("language", "before", "edited"),
    [
        ("en", ("Yes.", "He went home early."), ("Yes.", "She went home early.")),
        ("de", ("Danke.", "Wir gehen nach Hause."), ("Danke.", "Wir beide gehen nach Hause.")),
        ("en", ("Yes.", "No."), ("Nope.", "No.")),
        ("en", ("two boys", "build a wal", "of snow"), ("Two small boys", "build a wall", "of deep snow")),
        ("ja", ("男の人", "が歩く"), ("女の人", "が走る")),
    ],
)
def test_a_word_goes_to_the_segment_of_the_word_that_it_replaces(
    language: str, before: tuple[str, ...], edited: tuple[str, ...]
) -> None:
    """Also after a segment of one word, which has no space that would tell words from letters."""
    space = "" if language == "ja" else " "
    segments = tuple(Segment(start=n, end=n + 1, text=text) for n, text in enumerate(before))
    utterance = Utterance(id="u", text=space.join(before), source_language=language)
    read = Item(utterance=utterance, inputs={"asr": nbest("u", space.join(before), segments=segments)})
    correction = Correction(id="u", text=space.join(edited), **LINEAGE)
    assert [(s.start, s.text) for s in _edit(read, correction, "node").best.segments] == [*enumerate(edited)]


def test_an_emptied_text_has_no_times() -> None:
    best = nbest("u0", "um", segments=(Segment(start=1, end=2, text="um"),)).best
    assert correct(best, "", "en", None, "edit").segments == ()


def test_a_file_or_a_node_gives_the_corrections_not_both() -> None:
    with pytest.raises(ValueError, match="expected file or corrections, one of the two"):
        EditFromFileSettings(file="a.tsv", corrections="c")


def test_a_node_of_corrections_is_the_stage_that_holds_them(tmp_path: Path) -> None:
    ref = store_corrections(Store(str(tmp_path)), "asr", [Correction(id="u0", text="a", **LINEAGE)], None)
    node = KINDS["edit_from_store"]
    assert node.facts(node.settings(key=ref.key)).stage == ref.key
