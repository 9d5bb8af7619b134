from __future__ import annotations

import pytest

from components.errors import DataError
from components.metrics.pairing import align_by_id


def test_joined_by_id_in_the_order_of_the_data_set() -> None:
    """Not sorted: "u10" is no second utterance, and a seed draws the sentences that it draws in a file."""
    pairs = align_by_id({"u2": "B", "u10": "A", "c": "C"}, {"u10": "1", "u2": "2"}, n_total=4)
    assert (pairs.ids, pairs.references, pairs.hypotheses, pairs.n_total) == (
        ("u2", "u10"),
        ("B", "A"),
        ("2", "1"),
        4,
    )


def test_nfc_before_anything() -> None:
    pairs = align_by_id({"e\u0301": "x"}, {"\u00e9": "e\u0301"}, n_total=1)
    assert pairs.ids == ("é",)
    assert pairs.hypotheses == ("\u00e9",)


def test_nothing_is_nothing() -> None:
    assert align_by_id({}, {}, n_total=0).ids == ()
    assert align_by_id({"a": "x"}, {}, n_total=1).ids == ()
    assert align_by_id({}, {"a": "x"}, n_total=1).ids == ()


@pytest.mark.parametrize(
    ("references", "hypotheses", "n_total", "message"),
    [
        ({"a": "x"}, {"b": "x"}, 2, "none in common"),
        ({"a": "x", "b": "x"}, {"a": "x"}, 1, "found 2 different ids"),
        ({"a": "x"}, {"a": "x", "z": "x"}, 1, "found 2 different ids"),
        ({"a": "x"}, {"a": ("x",)}, 1, "wrong way round"),
        (["x"], {"a": "x"}, 1, "mapping from id to text, found list"),
        ({"\u00e9": "x", "e\u0301": "y"}, {}, 2, "equal after NFC"),
    ],
)
def test_what_cannot_be_one_data_set_is_refused(
    references: object, hypotheses: object, n_total: int, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        align_by_id(references, hypotheses, n_total)  # type: ignore[arg-type,type-var]
