from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.metrics.normalizers import normalizer_for
from components.text.matching.alignment import Edit, align, count_operations
from reports.views.written_words import restore_written_words


def restore(
    reference: str, hypothesis: str, language: str = "en"
) -> list[tuple[str, str | None, str | None]]:
    normalize = normalizer_for(language)
    edits = align(normalize(reference).split(), normalize(hypothesis).split())
    columns = restore_written_words(edits, reference, hypothesis, normalize)
    return [(edit.operation, edit.reference, edit.hypothesis) for edit in columns]


def test_words_stand_as_they_are_written_and_only_counted_errors_are_marked() -> None:
    assert restore("Two boys, aged 5, don't run.", "two boys aged five do not walk") == [
        ("equal", "Two", "two"),
        ("equal", "boys,", "boys"),
        ("equal", "aged", "aged"),
        ("equal", "5,", "five"),
        ("equal", "don't", "do not"),
        ("substitute", "run.", "walk"),
    ]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "columns"),
    [
        ("one hundred and twenty five dogs", "125 cats", [
            ("equal", "one hundred and twenty five", "125"), ("substitute", "dogs", "cats"),
        ]),
        ("a dog - um - runs", "a runs", [
            ("equal", "a", "a"), ("delete", "dog - um -", None), ("equal", "runs", "runs"),
        ]),
        ("- so it is", "it is now", [
            ("delete", "- so", None), ("equal", "it", "it"), ("equal", "is", "is"), ("insert", None, "now"),
        ]),
        ("", "hello", [("insert", None, "hello")]),
    ],
)  # fmt: skip
def test_words_that_become_others_together_are_one_column(
    reference: str, hypothesis: str, columns: list[tuple[str, str | None, str | None]]
) -> None:
    assert restore(reference, hypothesis) == columns


def test_what_cannot_be_led_back_stays_as_it_was_counted() -> None:
    edits = align(["a", "b"], ["a"])
    assert restore_written_words(edits, "x y", "a", normalizer_for("en")) == edits


TEXTS = st.lists(
    st.sampled_from(["Two", "2", "boys,", "don't", "um", "-", "twenty", "one", "run.", "[noise]", "é"])
)


@settings(max_examples=150)
@given(TEXTS, TEXTS, st.sampled_from(["en", "de"]))
def test_no_written_word_is_lost_and_an_error_stays_an_error(
    reference: list[str], hypothesis: list[str], language: str
) -> None:
    texts = " ".join(reference), " ".join(hypothesis)
    normalize = normalizer_for(language)
    edits = align(*(normalize(text).split() for text in texts))
    columns = restore_written_words(edits, *texts, normalize)
    if columns == edits:  # it could not be led back
        return
    for side, text in zip((Edit.reference, Edit.hypothesis), texts, strict=True):
        sides = [side.__get__(column) for column in columns]
        assert " ".join(words for words in sides if words is not None) == text
    wrong = count_operations(columns)["equal"] < len(columns)
    assert wrong == any(edit.operation != "equal" for edit in edits)
