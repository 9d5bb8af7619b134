from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.attribution.oracle_repair import ERROR_KINDS, FORM, WORD_ERRORS, correct_errors, count_errors

SAID = "Two dogs, both brown, are running to the lake."
HEARD = "two dogs both round is running to the big lake."


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((), HEARD),
        (ERROR_KINDS, SAID),
        ((FORM,), "Two dogs, both round is running to the big lake."),
        (("substituted content words",), "two dogs both brown, is running to the big lake."),
        (("substituted function words",), "two dogs both round are running to the big lake."),
        (("inserted content words",), "two dogs both round is running to the lake."),
        (("deleted content words", "deleted function words"), HEARD),
        (WORD_ERRORS, "two dogs both brown, are running to the lake."),
    ],
)
def test_golden(kinds: tuple[str, ...], expected: str) -> None:
    assert correct_errors(HEARD, SAID, kinds, "en") == expected


def test_counts() -> None:
    assert count_errors(HEARD, SAID, "en") == {
        "substituted content words": 1,
        "substituted function words": 1,
        "inserted content words": 1,
        FORM: 2,
    }
    assert count_errors("a dog", "a big brown dog in", "en") == {
        "deleted content words": 2,
        "deleted function words": 1,
    }
    assert count_errors("so - yes", "so yes", "en") == {FORM: 1}


def test_without_spaces_characters_are_repaired() -> None:
    assert correct_errors("今日は雨です", "今日は晴れです", ERROR_KINDS, "ja") == "今日は晴れです"
    assert count_errors("今日は雨です", "今日は晴れです", "ja").total() == 2


WORD = st.sampled_from(["a", "the", "Dog", "dog.", "dog", "lake", "-", "'s", "Müller,", "“", "runs", ""])
LINE = st.lists(WORD, max_size=9).map(" ".join)


@settings(max_examples=200)
@given(LINE, LINE, st.sets(st.sampled_from(ERROR_KINDS)))
def test_laws(heard: str, said: str, kinds: set[str]) -> None:
    """All repaired is what was said, none is what was heard, and a repaired kind is no longer there."""
    assert correct_errors(heard, said, ERROR_KINDS, "en").split() == said.split()
    assert correct_errors(heard, said, (), "en").split() == heard.split()
    counts = count_errors(heard, said, "en")
    if not kinds & counts.keys():
        assert correct_errors(heard, said, kinds, "en").split() == heard.split()
    if counts.keys() <= kinds:
        assert correct_errors(heard, said, kinds, "en").split() == said.split()
