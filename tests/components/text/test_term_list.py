"""Reading term lists: what is read, and one line for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import ConfigError
from components.text.term_list import DEFAULT_BOOST, Term, phrase_pattern, read_terms


def _write(folder: Path, text: str) -> Path:
    path = folder / "terms.tsv"
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_in_any_order_with_defaults(tmp_path: Path) -> None:
    rows = ["\ufeffboost\tsource\trequire\ttarget", "# a comment", "1.5\tcafe\u0301\tyes\tKaffee  haus", ""]
    text = "\n".join([*rows, '\t"Kovalenko"', ""])
    assert read_terms(_write(tmp_path, text)) == (
        Term("café", "Kaffee haus", 1.5, True),
        Term('"Kovalenko"', '"Kovalenko"', DEFAULT_BOOST, False),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a header"),
        ("source\ttarget\n", "expected terms below the header"),
        ("source\tgoal\na\tb\n", "terms.tsv:1: expected a header of columns"),
        ("target\na\n", "terms.tsv:1: expected a header"),
        ("source\tboost\na\t1\nb\tmuch\n", "terms.tsv:3: boost: expected nats per token .* found 'much'"),
        ("source\tboost\na\tnan\n", "terms.tsv:2: boost"),
        ("source\tboost\na\t-1\n", "terms.tsv:2: boost"),
        ("source\ttarget\trequire\na\tb\tmaybe\n", "terms.tsv:2: require: expected yes or no"),
        ("source\na\tb\n", "terms.tsv:2: expected 1 columns"),
        ("source\n...\n", "terms.tsv:2: source: expected letters or digits"),
        ("source\ta\n", "terms.tsv:1"),
        ("source\na\na\n", "terms.tsv:3: expected every term once"),
        ("source\n" + "a" * 201 + "\n", "terms.tsv:2: source: expected at most 200 characters"),
        ("source\ttarget\n\t \n", "expected terms below"),
        (
            "source\ttarget\na\t" + "b" * 200_000 + "\n",
            "terms.tsv:2: target: expected at most 200 characters",
        ),
    ],
)
def test_a_bad_line_is_one_line_with_its_number(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as fault:
        read_terms(_write(tmp_path, text))
    assert "\n" not in str(fault.value)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "terms.tsv"
    path.write_bytes(b"source\n\xff\xfe\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_terms(path)
    with pytest.raises(ConfigError, match="expected a term list, a readable file"):
        read_terms(tmp_path / "none.tsv")
    for device in (Path("/dev/zero"), tmp_path):
        with pytest.raises(ConfigError, match="expected a term list, a regular file of at most"):
            read_terms(device)


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("heart attack", "A Heart  Attack.", True),
        ("heart attack", "heart attacks", False),
        ("IT", "it is", False),
        ("IT", "the IT-department", True),
        ("C++", "in C++ and C", True),
        ("東京", "私は東京都に", True),
        ("art", "party", False),
        ("iPhone", "新しいiPhoneを買う", True),
        ("iPhone", "ซื้อiPhoneใหม่", True),
        ("iPhone", "iPhoneÄra", False),
        ("कम", "कमी है", False),  # a vowel sign goes on with the word
        ("कमी", "कमीना", False),
        ("कमी", "यह कमी है", True),
    ],
)
def test_phrases_are_whole_words(phrase: str, text: str, found: bool) -> None:
    assert bool(phrase_pattern(phrase).search(text)) is found
