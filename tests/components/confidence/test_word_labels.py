"""Which words of a transcript are right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.confidence.word_labels import label_words
from components.metrics.error_rates.error_rate import count_word_errors
from components.text.normalization.text_normalization import get_normalizer

ENGLISH = get_normalizer("whisper-english")


@pytest.mark.parametrize(
    ("text", "reference", "wrong"),
    [
        ("A dog runs.", "a dog runs", ""),
        ("A frog runs", "a dog runs", "frog"),
        ("Two dogs", "2 dogs", ""),  # the same to the normalizer
        ("twenty one dogs", "21 dogs", ""),  # two words, one token
        ("twenty one dogs", "22 dogs", "twenty one"),
        ("I don't know", "I do not know", ""),  # one word, two tokens
        ("I don't know", "I do know", "don't"),
        ("uh a dog", "a dog", ""),  # a filler is no error
        ("a dog", "a big dog", ""),  # what is missing has no word to stand at
        ("a big dog", "a dog", "big"),
        ("a dog", "", "a dog"),
        ("", "a dog", ""),
    ],
)
def test_words_that_are_wrong(text: str, reference: str, wrong: str) -> None:
    labels = label_words(text, reference, ENGLISH)
    assert len(labels) == len(text.split())
    assert [word for word, right in zip(text.split(), labels, strict=True) if not right] == wrong.split()


LETTERS = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1)


@given(LETTERS, LETTERS)
def test_as_many_words_are_wrong_as_a_least_alignment_needs(text: list[str], reference: list[str]) -> None:
    """Right words are matches of an alignment with as few edits as jiwer counts."""
    (counts,) = count_word_errors([" ".join(reference)], [" ".join(text)])
    wrong = label_words(" ".join(text), " ".join(reference), get_normalizer("none")).count(False)
    matches = len(text) - wrong
    deletions_at_least = max(0, len(reference) - len(text))
    assert wrong <= counts.errors
    assert counts.errors == wrong + max(deletions_at_least, counts.errors - wrong)
    assert len(reference) - matches <= counts.errors
