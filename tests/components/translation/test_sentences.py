"""Sentences are found, nothing is lost, and their n-bests are combined best first."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.translation.segments.sentences import find_best_combinations, split_sentences

GOLDEN = [
    ("en", "A dog runs. Two men sit.", ["A dog runs.", "Two men sit."]),
    ("en", "Dr. Smith met Mr. J. R. Brown. They left.", ["Dr. Smith met Mr. J. R. Brown.", "They left."]),
    ("en", "Really?! Yes... It is 3.14 m. Good", ["Really?!", "Yes...", "It is 3.14 m.", "Good"]),
    ("en", 'He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
    ("en", "one\ntwo\n\n three ", ["one", "two", "three"]),
    ("en", "see e.g. the dog", ["see e.g. the dog"]),
    ("de", "Am 3. Mai kam er z.B. nicht. „Gut.“ Ende.", ["Am 3. Mai kam er z.B. nicht.", "„Gut.“", "Ende."]),
    ("es", "¿Qué? ¡Nada! Fin", ["¿Qué?", "¡Nada!", "Fin"]),
    ("zh", "你好。再见！", ["你好。", "再见！"]),
    ("en", "  ", []),
    ("deu", "Dr. Kern kam am 3. Mai. Gut.", ["Dr. Kern kam am 3. Mai.", "Gut."]),
    ("de", "Er ist z. B. Arzt, d. h. Doktor. Gut.", ["Er ist z. B. Arzt, d. h. Doktor.", "Gut."]),
    ("en", "J.K. Rowling is in the U.S. Senate. Or not.", ["J.K. Rowling is in the U.S. Senate.", "Or not."]),
    ("en", "No. I am not. Song No. 5.", ["No.", "I am not.", "Song No. 5."]),
    ("fr", "Il dit : « Viens ! » Puis il part.", ["Il dit : « Viens ! »", "Puis il part."]),
    ("de", "Er kam. »Komm!« Sie ging.", ["Er kam.", "»Komm!«", "Sie ging."]),
    ("hi", "यह एक है। यह दो है।", ["यह एक है।", "यह दो है।"]),
    ("ar", "كيف حالك؟ بخير. نعم", ["كيف حالك؟", "بخير.", "نعم"]),
    ("ur", "یہ ایک ہے۔ یہ دو ہے۔", ["یہ ایک ہے۔", "یہ دو ہے۔"]),
]


@pytest.mark.parametrize(("language", "text", "expected"), GOLDEN)
def test_golden(language: str, text: str, expected: list[str]) -> None:
    assert split_sentences(text, language) == expected


@given(st.text(alphabet="aB .!?…\n\"')d1。", max_size=60))
def test_every_character_but_space_is_kept_in_order(text: str) -> None:
    sentences = split_sentences(text, "en")
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence == sentence.strip() != "" for sentence in sentences)


@given(
    st.lists(st.lists(st.integers(-9, 0).map(float), min_size=1, max_size=3), min_size=1, max_size=4),
    st.integers(1, 10),
)
def test_combinations_are_the_best_of_all(ranks: list[list[float]], n: int) -> None:
    ranks = [sorted(column, reverse=True) for column in ranks]
    result = find_best_combinations(ranks, n)
    worth = [sum(c[i] for c, i in zip(ranks, choice, strict=True)) for choice in result]
    every = sorted((sum(values) for values in itertools.product(*ranks)), reverse=True)
    assert worth == every[:n]
    assert len(set(result)) == len(result)
    assert result[0] == (0,) * len(ranks)
