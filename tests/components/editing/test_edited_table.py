"""Tables for editing: written, saved by people and spreadsheets, and read back."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.editing.edited_table import read_edited_table
from components.errors import ConfigError
from components.export.for_edit import render_table
from components.text.text_encoding import DecodedText, decode_text
from tests.components.editing.texts import by_id, spoken, written

TEXTS = by_id(written("u1", "Two dogs run.", "Zwei Hunde laufen."), written("u2", "=SUM(A1) is a formula"))


def changes(content: str, name: str = "e.tsv") -> dict[str, str]:
    proposals = read_edited_table(Path(name), DecodedText(content, None), TEXTS, "mt")
    return {each.utterance_id: each.text for each in proposals}


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=20), min_size=1, max_size=5))
def test_what_nobody_edited_is_no_edit(texts: list[str]) -> None:
    """Whatever the texts hold: quotes, tabs, line ends of all scripts, formulas."""
    node = by_id(*(written(f"u{n}", text) for n, text in enumerate(texts)))
    rendered = decode_text(render_table(node.values()).encode(), "e.tsv")
    assert read_edited_table(Path("e.tsv"), rendered, node, "mt") == []


@given(st.lists(st.text("'=-@a", min_size=1, max_size=6), min_size=1, max_size=5))
def test_an_edited_text_keeps_its_own_apostrophes(texts: list[str]) -> None:
    """The mark before what looks like a formula is told from those that the text begins with."""
    node = by_id(*(written(f"u{n}", text) for n, text in enumerate(texts)))
    header, *rows = [row.split("\t") for row in render_table(node.values()).splitlines()]
    edited = [header, *([id_, f"{text} forms", *rest] for id_, text, *rest in rows)]
    content = DecodedText("\n".join(map("\t".join, edited)), None)
    proposals = read_edited_table(Path("e.tsv"), content, node, "mt")
    assert [each.text for each in proposals] == [f"{text} forms" for text in texts]


def test_context_is_written_and_not_read() -> None:
    header, first, second = render_table(TEXTS.values()).splitlines()
    assert header.split("\t") == ["id", "text", "source", "confidence"]
    assert first == "u1\tTwo dogs run.\tZwei Hunde laufen.\t0.779"  # exp(-1/4)
    assert second.startswith("u2\t'=SUM(A1) is a formula\t")
    assert changes("text\tid\tconfidence\nThree dogs run.\tu1\t99\n") == {"u1": "Three dogs run."}


def test_a_spreadsheet_quotes_what_it_saves() -> None:
    buffer = io.StringIO()
    csv.writer(buffer, "excel-tab", quoting=csv.QUOTE_ALL).writerows(
        [["id", "text"], ["u1", 'Two "big" dogs, run.'], ["u2", "'=SUM(A2) is a formula"]]
    )
    decoded = decode_text(buffer.getvalue().encode("utf-16"), "e.txt")  # what Excel calls Unicode text
    proposals = read_edited_table(Path("e.txt"), decoded, TEXTS, "mt")
    assert [each.text for each in proposals] == ['Two "big" dogs, run.', "=SUM(A2) is a formula"]


def test_a_spreadsheet_keeps_the_rows_behind_a_quote() -> None:
    """A quote that one text opens and another closes, or that is only a part of its text."""
    sentences = ['"Two dogs', 'run," he said.', '"Wait," she said.']
    node = by_id(*(written(f"u{n}", text) for n, text in enumerate(sentences)))
    cells = list(csv.DictReader(io.StringIO(render_table(node.values())), dialect="excel-tab"))
    assert [row["text"] for row in cells] == sentences
    saved = io.StringIO()
    csv.writer(saved, "excel-tab").writerows([["id", "text"], ["u0", '"Three dogs'], ["u1", sentences[1]]])
    (proposal,) = read_edited_table(
        Path("e.txt"), decode_text(saved.getvalue().encode(), "e.txt"), node, "mt"
    )
    assert (proposal.utterance_id, proposal.text) == ("u0", '"Three dogs')


def test_an_id_is_no_formula_either() -> None:
    """Ids of films on the web may begin with a minus."""
    film = by_id(written("-abc", "Two dogs."))
    content = render_table(film.values())
    assert content.splitlines()[1].startswith("'-abc\t")
    decoded = DecodedText(content.replace("Two", "Three"), None)
    (proposal,) = read_edited_table(Path("e.tsv"), decoded, film, "mt")
    assert (proposal.utterance_id, proposal.text) == ("-abc", "Three dogs.")
    accented = DecodedText("id\ttext\ncafe\u0301\tThree dogs.\n", None)  # as a Mac writes names of files
    (proposal,) = read_edited_table(Path("e.tsv"), accented, by_id(written("caf\u00e9", "Two dogs.")), "mt")
    assert proposal.utterance_id == "caf\u00e9"


def test_json_lines_are_read_as_well() -> None:
    assert changes('{"id": "u1", "text": "Dogs", "by": 3}\n', "e.jsonl") == {"u1": "Dogs"}
    assert changes('{"id": "u1", "text": "\\"Dogs.\\""}\n', "e.jsonl") == {"u1": '"Dogs."'}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "id\ttext\nu11\tx\n",
            "e.tsv:2: expected an id for which mt gave a text, found 'u11'; did you mean u1?",
        ),
        (
            "id\ttext\nu1\tx\nu1\ty\n",
            "e.tsv:3: expected one row for each id, found a second of 'u1' (line 2)",
        ),
        (
            "id,text\nu1,x\n",
            "e.tsv:1: expected a header line with the columns id and text, separated by tabs",
        ),
        ("", "e.tsv:1: expected a header line"),
        ("id\ttext\nu1\tx\ty\n", "e.tsv:2: expected 2 cells as in the header, found 3"),
    ],
)
def test_a_faulty_row_is_refused_with_its_line(content: str, message: str) -> None:
    with pytest.raises(ConfigError) as fault:
        changes(content)
    assert message in str(fault.value)
    assert "\n" not in str(fault.value)


def test_speech_is_named_by_its_recording() -> None:
    table = render_table([spoken("u1", text="hello", path="/data/talk.wav", offset=20.0)])
    assert table.splitlines()[1] == "u1\thello\ttalk.wav 20.0-30.0 s\t0.779"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"id": "u1", "text": "x"}\n\n{"text": "y"}\n', "e.jsonl:3: expected id and text, found text"),
        ('{"id": "u1", "text": 3}', "e.jsonl:1: expected id and text, found id, text"),
        ("[1]", "e.jsonl:1: expected id and text, found nothing"),
        ("{", "e.jsonl:1: expected one JSON object, found Expecting"),
        ("[" * 100_000, "e.jsonl:1: expected one JSON object, found values nested more than 100"),
    ],
)
def test_a_faulty_line_of_json_is_refused_with_its_number(content: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as fault:
        changes(content, "e.jsonl")
    assert "\n" not in str(fault.value)
