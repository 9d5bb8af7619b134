"""Equality with the Open ASR leaderboard's own code, by a table of what that gave (golden/open_asr.json)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.metrics.error_rates.wer import count_with_compounds
from components.metrics.normalizers import normalizer_for

GOLDEN = json.loads((Path(__file__).parents[3] / "golden" / "open_asr.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("text", "normalized"), GOLDEN["english"])
def test_english(text: str, normalized: str) -> None:
    assert normalizer_for("en-GB", "open-asr")(text) == normalized


@pytest.mark.parametrize(("language", "text", "normalized"), GOLDEN["multilingual"])
def test_other_languages(language: str, text: str, normalized: str) -> None:
    assert normalizer_for(language, "open-asr")(text) == normalized


@pytest.mark.parametrize(("language", "reference", "hypothesis", "expected"), GOLDEN["counts"])
def test_counts_of_compounds(language: str, reference: str, hypothesis: str, expected: list[int]) -> None:
    (counts,) = count_with_compounds([reference], [hypothesis], is_english=language == "en")
    assert [counts.substitutions, counts.deletions, counts.insertions, counts.length] == expected
