"""Slices of a data set keep documents whole."""

from __future__ import annotations

import pytest

from components.data.dataset import content_digest
from components.data.files.documents import count_pieces, cut_slices
from components.records import Utterance


def parts(labels: str) -> list[Utterance]:
    """An utterance per letter, of that document; of none where it is a dot."""
    return [
        Utterance(id=str(n), text="a", source_language="en", document=None if label == "." else label)
        for n, label in enumerate(labels)
    ]


@pytest.mark.parametrize(
    ("labels", "slices"),
    [
        ("", []),
        (".....", ["..", "..", "."]),
        ("aaabb", ["aaa", "bb"]),
        ("abbbba..", ["abbbb", "a.", "."]),
        ("a.aab", ["a.", "aa", "b"]),
    ],
)
def test_a_slice_ends_no_sooner_than_its_last_document(labels: str, slices: list[str]) -> None:
    cut = list(cut_slices(parts(labels), 2))
    assert ["".join(each.document or "." for each in batch) for batch in cut] == slices


def test_pieces_of_documents_are_counted() -> None:
    assert count_pieces(parts("aab.ac")) == {"a": 2, "b": 1, "c": 1}


def test_a_data_set_without_documents_keeps_its_bytes_and_its_digest() -> None:
    (plain,) = parts(".")
    assert "document" not in plain.model_dump()
    assert content_digest([plain], []) != content_digest(parts("a"), [])
