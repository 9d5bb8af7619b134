"""Cuts are optimal by a brute-force oracle and no worse than mweralign's; changed words keep their times."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.records import Segment, Word
from components.text.matching.resegmentation import count_edits, cut_blocks, resegment
from components.text.matching.retiming import retime

WORDS = st.lists(st.sampled_from("abcd"), max_size=7)


def edit_distance(a: Sequence[object], b: Sequence[object]) -> int:
    """Levenshtein's, by the textbook's table."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


def least_edits(hypothesis: Sequence[str], references: Sequence[Sequence[str]]) -> int:
    """The smallest total edit distance over all ways to cut the hypothesis: mwerSegmenter's definition."""
    positions = range(len(hypothesis) + 1)
    best = 10**9
    for inner in itertools.combinations_with_replacement(positions, len(references) - 1):
        edges = (0, *inner, len(hypothesis))
        pieces = [hypothesis[start:end] for start, end in itertools.pairwise(edges)]
        best = min(best, sum(map(edit_distance, pieces, references)))
    return best


def total_edits(pieces: Sequence[str], references: Sequence[Sequence[str]]) -> int:
    return sum(
        edit_distance(piece.split(), reference) for piece, reference in zip(pieces, references, strict=True)
    )


@given(WORDS, st.lists(WORDS, min_size=1, max_size=4))
def test_no_cut_has_fewer_word_edits(hypothesis: list[str], references: list[list[str]]) -> None:
    texts = [" ".join(words) for words in references]
    pieces = resegment(" ".join(hypothesis), texts, "en")
    assert " ".join(pieces).split() == hypothesis
    assert total_edits(pieces, references) == least_edits(hypothesis, references)
    assert count_edits(" ".join(hypothesis), texts, "en") == least_edits(hypothesis, references)


REFERENCES = ["A dog runs.", "Two men, they sit.", "It is the end.", "Four birds fly over the house."]
OUTPUTS = [
    ("A dog runs. Two men, they sit. It is the end. Four birds fly over the house.", 0),
    ("A dog runs two men. They sit and this is the end? Four birds are over a house.", 0),
    ("Dogs. Sit. The end.", 0),
    ("It is the end. Four birds fly over the house. A dog runs.", 1),
]
"""And how many edits more mweralign 1.4.1 needs, which misses the least number in one of these."""


@pytest.mark.parametrize(("output", "more"), OUTPUTS)
def test_as_few_edits_as_mweralign(output: str, more: int) -> None:
    mweralign = pytest.importorskip("mweralign", reason="a development dependency (GPL)")

    def plain(text: str) -> list[str]:
        return "".join(letter for letter in text.lower() if letter.isalpha() or letter == " ").split()

    references = list(map(plain, REFERENCES))
    joined = "\n".join(map(" ".join, references))
    theirs = mweralign.align_texts(joined, " ".join(plain(output))).split("\n")
    theirs += [""] * (len(references) - len(theirs))
    ours = [" ".join(plain(piece)) for piece in resegment(output, REFERENCES, "en")]
    assert total_edits(ours, references) + more == total_edits(theirs[: len(references)], references)


GOLDEN = [
    # Words without a counterpart go with the sentence that they stand in.
    ("en", "One two. Well, three four.", ["One two.", "Three four."], ["One two.", "Well, three four."]),
    ("en", "one two well three four", ["One two.", "Three four."], ["one two well", "three four"]),
    # Marks stay with their words: a quote that opens goes to the next piece, French marks to the last.
    ("en", 'Stop. "Go on," he said.', ["stop", "go on he said"], ["Stop.", '"Go on," he said.']),
    ("fr", "Ça va ? « Oui. »", ["ça va", "oui"], ["Ça va ?", "« Oui. »"]),
    ("zh", "你好。「再见」！", ["你好", "再见"], ["你好。", "「再见」！"]),
    ("ja", "AIです。はい", ["AIです", "はい"], ["AIです。", "はい"]),
    ("en", "one two", ["one", "", "two"], ["one", "", "two"]),
    ("en", "", ["one", "two"], ["", ""]),
    ("en", "?!", ["one", "two"], ["", "?!"]),
    ("en", "one", [], []),
]


@pytest.mark.parametrize(("language", "text", "references", "expected"), GOLDEN)
def test_golden(language: str, text: str, references: list[str], expected: list[str]) -> None:
    assert resegment(text, references, language) == expected


@given(
    st.text(max_size=40),
    st.lists(st.text(max_size=20), min_size=1, max_size=4),
    st.sampled_from(["en", "zh"]),
)
def test_no_character_is_lost(text: str, references: list[str], language: str) -> None:
    pieces = resegment(text, references, language)
    assert len(pieces) == len(references)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_an_hour_is_cut_in_a_moment() -> None:
    references = [" ".join(f"w{(n * 7 + k) % 997}" for k in range(15)) for n in range(800)]
    words = " ".join(references).split()
    output = " ".join(word for n, word in enumerate(words) if n % 9)
    pieces = resegment(output, references, "en")
    assert sum(len(piece.split()) for piece in pieces) == len(output.split())
    assert count_edits(output, references, "en") == len(words) - len(output.split())


def test_a_changed_text_keeps_the_times_of_its_words() -> None:
    words = (Word(start=0.0, end=0.5, text="A"), Word(start=0.5, end=1.0, text=" dog."))
    before = (
        Segment(start=0.0, end=1.0, text="A dog.", words=words, mean_log_prob=-0.1),
        Segment(start=1.5, end=2.0, text="Uh.", mean_log_prob=-2.0),
        Segment(start=2.5, end=4.0, text="Two man sit.", mean_log_prob=-0.5),
    )
    after = retime("A dog. Two men sit.", "en", before)
    assert after == (before[0], Segment(start=2.5, end=4.0, text="Two men sit."))
    assert retime("A dog. Uh. Two man sit.", "en", before) == before
    assert retime("anything", "en", ()) == ()


def test_a_rest_that_is_too_short_stays_with_the_block_before() -> None:
    sentence = " ".join(["word"] * 18) + " end. "
    text = (sentence + "short rest of it").strip()
    assert cut_blocks(text, "en", 10) == [text]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_thousands_of_opening_marks_in_a_row_are_read_in_one_pass(language: str) -> None:
    marks = '"' * 20_000
    assert count_edits(marks, ["a"], language) == 1
    assert resegment(f"a {marks} b", ["a", "b"], language) == ["a", f"{marks} b"]
