"""Sentence pairs of a data set, and what has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import DataError
from components.training.examples.parallel_data import read_pairs


def test_a_data_set_without_pairs_is_refused(tmp_path: Path) -> None:
    for language, text in (("en", "red dog\n"), ("de", "roter Hund\n")):
        (tmp_path / f"full.{language}").write_text(text, encoding="utf-8")
    (tmp_path / "alone.jsonl").write_text('{"id": "1", "text": "red dog"}\n', encoding="utf-8")
    both = f"{tmp_path}/full.en,{tmp_path}/full.de"
    assert read_pairs(both, ("en", "de"))[0] == [("red dog", "roter Hund")]
    with pytest.raises(DataError, match=r"alone\.jsonl: expected en text with de references, found none"):
        read_pairs(f"{tmp_path}/alone.jsonl", ("en", "de"))
