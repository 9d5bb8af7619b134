"""Simulated n-best lists: which words are confused, and how the candidates of a list differ."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.quality.confidence import simulated_lists
from benchmarks.quality.confidence.simulated_lists import draw_list, write_confusions

CONFUSIONS = {"vest": ["best", "rest", "test"], "dog": ["dig"]}
TEXT = "A dog in a life vest"


def test_words_are_confused_with_those_that_are_spelled_alike(tmp_path: Path) -> None:
    texts = ["a life vest", "The vest is best", "the best dog", "Bonn", "Bonn", "rest rest"]
    write_confusions(texts, tmp_path / "words.json")
    assert json.loads((tmp_path / "words.json").read_text()) == {"vest": ["best"], "best": ["vest"]}


def test_candidates_differ_from_the_first_in_one_doubtful_word() -> None:
    lists = [draw_list(TEXT, CONFUSIONS, str(seed)) for seed in range(2000)]
    for texts in lists:
        assert len(set(texts)) == len(texts) <= simulated_lists.CANDIDATES
        first, *others = (text.split() for text in texts)
        for words in (first, *others):
            assert all(w == t or w in CONFUSIONS.get(t, ()) for w, t in zip(words, TEXT.split(), strict=True))
        assert all(sum(a != b for a, b in zip(first, words, strict=True)) == 1 for words in others)
    assert lists[:9] == [draw_list(TEXT, CONFUSIONS, str(seed)) for seed in range(9)]
    vest_doubted = [texts for texts in lists if len({text.split()[-1] for text in texts}) > 1]
    assert 0.08 < len(vest_doubted) / len(lists) < 0.13  # 12% less those with no other candidate drawn for it
    lost = [texts for texts in vest_doubted if all(text.split()[-1] != "vest" for text in texts)]
    assert 0.25 < len(lost) / len(vest_doubted) < 0.45


def test_a_text_without_confused_words_is_its_own_list() -> None:
    assert draw_list("Two men talk", CONFUSIONS, "x") == ["Two men talk"]
