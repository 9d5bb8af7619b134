from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ensembling.output_level.voting.confusion_network import build_confusion_network
from components.ensembling.output_level.voting.words import Word

texts = st.lists(st.sampled_from("abc"), max_size=6).map("".join)


def words(text: str) -> list[Word]:
    return [Word(letter, letter.upper(), 0.5) for letter in text]


def render(*sequences: str) -> list[str]:
    return [
        "".join(word.key if word else "-" for word in c)
        for c in build_confusion_network([words(s) for s in sequences])
    ]


def test_golden() -> None:
    assert render("abc") == ["a", "b", "c"]
    assert render("abc", "abc") == ["aa", "bb", "cc"]
    assert render("abc", "axc") == ["aa", "bx", "cc"]
    assert render("abc", "ac") == ["aa", "b-", "cc"]
    assert render("ac", "abc") == ["aa", "-b", "cc"]
    assert render("", "ab") == ["-a", "-b"]
    assert render("ab", "") == ["a-", "b-"]
    assert render() == []


def test_a_third_sequence_uses_what_the_first_two_left_open() -> None:
    """Leaving out b costs nothing once someone has left it out, and x finds its column."""
    assert render("abc", "ac", "ac") == ["aaa", "b--", "ccc"]
    assert render("abc", "axc", "axc") == ["aaa", "bxx", "ccc"]
    assert render("ac", "abc", "abc") == ["aaa", "-bb", "ccc"]


@given(st.lists(texts, max_size=4))
def test_every_sequence_can_be_read_back(sequences: list[str]) -> None:
    columns = build_confusion_network([words(text) for text in sequences])
    for number, text in enumerate(sequences):
        assert "".join(c[number].key for c in columns if c[number] is not None) == text  # type: ignore[union-attr]
    assert all(any(column) for column in columns)


def test_what_two_share_is_rather_kept_than_two_words_exchanged() -> None:
    """With unit costs b and c were one column each against a and b, and two of three lost their b."""
    assert render("ab", "bc", "abc") == ["a-a", "bbb", "-cc"]


@settings(max_examples=60)
@given(st.lists(texts.filter(lambda text: len(text) < 5), min_size=2, max_size=3))
def test_the_last_sequence_is_aligned_at_the_least_cost_of_all_ways(sequences: list[str]) -> None:
    """SCTK's wwd_WORD, over all paths through the network and all ways to set the words against them."""
    *before, last = sequences
    cost = 0.0
    for column in build_confusion_network([words(text) for text in sequences]):
        arcs = {word.key if word else None for word in column[:-1]}
        new = column[-1].key if column[-1] else None
        if arcs == {None}:  # of the last sequence alone
            cost += 3
        elif new is None:
            cost += 0.001 if None in arcs else 3
        else:
            cost += 0 if new in arcs else 4
    columns = [
        tuple({word.key if word else None for word in c})
        for c in build_confusion_network([words(t) for t in before])
    ]
    paths = product(*columns)
    assert cost == pytest.approx(min(cheapest(path, last) for path in paths))


def cheapest(path: tuple[str | None, ...], text: str) -> float:
    """Least cost of a path (words and NULL arcs) against words, by trying everything."""
    if not path or not text:
        return 3 * len(text) + sum(0.001 if word is None else 3 for word in path)
    return min(
        cheapest(path[1:], text[1:]) + (0 if path[0] == text[0] else 4),
        cheapest(path[1:], text) + (0.001 if path[0] is None else 3),
        cheapest(path, text[1:]) + 3,
    )
