from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.files import parsing
from components.data.files.parsing import (
    RecordError,
    read_csv_rows,
    read_json_rows,
    read_lines,
    read_tsv_rows,
)
from components.errors import DataError


def write(folder, content, name="a.jsonl"):
    path = folder / name
    path.write_bytes(content)
    return path


def test_lines_end_at_line_feeds_only(tmp_path):
    text = "a\u2028b\x0bc\x85d\re"
    path = write(tmp_path, b"\xef\xbb\xbf" + text.encode() + b"\r\n\n  \nlast")
    assert list(read_lines(path)) == [(1, text), (4, "last")]


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (b"\xff\xfea\0", "UTF-16"),
        (b"\x1f\x8b", "gzip"),
        (b"PK\x03\x04", "zip"),
        (b"RIFF", "audio"),
        (b"ID3", "audio"),
    ],
)
def test_files_that_are_no_text_are_named(head, word, tmp_path):
    with pytest.raises(DataError, match=word):
        list(read_lines(write(tmp_path, head + b"rest")))


def test_long_lines_are_one_fault_and_the_next_line_is_read(tmp_path):
    path = write(tmp_path, b"x" * (5 * 2**20 + 3) + b"\nshort\n")
    (_, fault), short = read_lines(path)
    assert isinstance(fault, RecordError)
    assert short == (2, "short")


def test_the_byte_that_is_no_utf8_is_named(tmp_path):
    ((_, fault),) = read_lines(write(tmp_path, b"caf\xe9 au lait"))
    assert "0xe9 at column 4" in str(fault)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('{"a": 1, "b": 2, "a": 3}', "'a' occurs twice"),
        ('{"a": {"b": 1, "b": 1}}', "'b' occurs twice"),
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "-Infinity"),
        ("[" * 100_000, "nested"),
        ("[1]", "an array"),
        ("3", "a number"),
        ('{"a": ' + "9" * 5_000 + "}", "faulty JSON"),
        ('{"a": 1} {"b": 2}', "faulty JSON"),
    ],
)
def test_strict_json(line, word, tmp_path):
    (row,) = read_json_rows(write(tmp_path, line.encode()))
    assert isinstance(row.content, RecordError)
    assert word in str(row.content)


@settings(max_examples=100)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=5), st.text(st.characters(codec="utf-8"), max_size=20)
    )
)
def test_what_json_writes_is_read_back(tmp_path_factory, fields):
    path = tmp_path_factory.getbasetemp() / "round.jsonl"
    path.write_text(json.dumps(fields, ensure_ascii=False) + "\n", encoding="utf-8", newline="")
    (row,) = read_json_rows(path)
    assert row.content == fields


def test_quotes_in_tsv_swallow_nothing(tmp_path):
    content = (
        b'path\tsentence\na.mp3\t"He left\nb.mp3\tshe "said" it\nc.mp3\t"He said ""hi"""\nd.mp3\t"Quoted"\n'
    )
    sentences = [row.content["sentence"] for row in read_tsv_rows(write(tmp_path, content, "a.tsv"))]
    assert sentences == ['"He left', 'she "said" it', 'He said "hi"', '"Quoted"']


def test_wrong_numbers_of_cells_are_faults_of_their_line(tmp_path):
    content = b"path\tsentence\na\tx\ty\nb\nc\tz\n"
    rows = list(read_tsv_rows(write(tmp_path, content, "a.tsv")))
    assert [isinstance(row.content, RecordError) for row in rows] == [True, True, False]
    assert "expected 2 cells as in the header, found 3" in str(rows[0].content)


def test_an_unclosed_csv_quote_costs_one_line(tmp_path):
    content = b'path,sentence\na,"open\n,""\r\nb,"closed, with comma"\n ,\n'
    rows = list(read_csv_rows(write(tmp_path, content, "a.csv")))
    assert len(rows) == 2  # without the blank rows of a spreadsheet
    assert str(rows[0].content).endswith("close the quote on its line")
    assert rows[1].content == {"path": "b", "sentence": "closed, with comma"}


@pytest.mark.parametrize("header", [b"path\tpath\n", b"\xff\n", b"path\t\t\n"])
def test_a_header_that_cannot_be_used_is_an_error_of_the_file(header, tmp_path):
    with pytest.raises(DataError, match=":1:"):
        list(read_tsv_rows(write(tmp_path, header + b"a\tb\n", "a.tsv")))


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\t\0"), min_size=1, max_size=12)


@settings(max_examples=100)
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=5))
def test_csv_written_by_python_is_read_back(tmp_path_factory, cells):
    cells = [pair for pair in cells if any(cell.strip() for cell in pair)]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("path", "sentence"), *cells])
    path = tmp_path_factory.getbasetemp() / "round.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    assert [tuple(row.content.values()) for row in read_csv_rows(path)] == cells


def test_a_manifest_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(parsing, "MAX_MANIFEST_BYTES", 10)
    with pytest.raises(DataError, match=r"a.jsonl: expected at most 10 bytes, found more; split it"):
        list(read_lines(write(tmp_path, b"x" * 11)))


def test_a_header_that_cannot_be_read_is_named(tmp_path):
    path = write(tmp_path, b'id,"te"xt\na,b\n', "a.csv")
    with pytest.raises(DataError, match=r"a.csv:1: ") as caught:
        list(read_csv_rows(path))
    assert "\n" not in str(caught.value)
