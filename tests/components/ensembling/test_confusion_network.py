from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from components.alignment import align, count
from components.ensembling.confusion_network import _costs, network
from components.ensembling.words import Word

texts = st.lists(st.sampled_from("abc"), max_size=6).map("".join)


def words(text: str) -> list[Word]:
    return [Word(letter, letter.upper(), 0.5) for letter in text]


def drawn(*sequences: str) -> list[str]:
    return ["".join(word.key if word else "-" for word in c) for c in network([words(s) for s in sequences])]


def test_golden() -> None:
    assert drawn("abc") == ["a", "b", "c"]
    assert drawn("abc", "abc") == ["aa", "bb", "cc"]
    assert drawn("abc", "axc") == ["aa", "bx", "cc"]
    assert drawn("abc", "ac") == ["aa", "b-", "cc"]
    assert drawn("ac", "abc") == ["aa", "-b", "cc"]
    assert drawn("", "ab") == ["-a", "-b"]
    assert drawn("ab", "") == ["a-", "b-"]
    assert drawn() == []


def test_a_third_sequence_uses_what_the_first_two_left_open() -> None:
    """Leaving out b costs nothing once someone has left it out, and x finds its column."""
    assert drawn("abc", "ac", "ac") == ["aaa", "b--", "ccc"]
    assert drawn("abc", "axc", "axc") == ["aaa", "bxx", "ccc"]
    assert drawn("ac", "abc", "abc") == ["aaa", "-bb", "ccc"]


@given(st.lists(texts, max_size=4))
def test_every_sequence_can_be_read_back(sequences: list[str]) -> None:
    columns = network([words(text) for text in sequences])
    for number, text in enumerate(sequences):
        assert "".join(c[number].key for c in columns if c[number] is not None) == text  # type: ignore[union-attr]
    assert all(any(column) for column in columns)


@given(texts, texts)
def test_two_sequences_cost_their_edit_distance(first: str, second: str) -> None:
    counts = count(align(first, second))
    columns = network([words(first), words(second)])
    differing = sum(c[0] is None or c[1] is None or c[0].key != c[1].key for c in columns)
    assert differing == sum(counts.values()) - counts["equal"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sets(st.sampled_from(["a", "b", None]), min_size=1), max_size=4), texts)
def test_the_least_cost_is_that_of_all_paths(columns: list[set[str | None]], text: str) -> None:
    """The definition: over all ways to read the network and one sequence of words against it."""
    found = _costs([frozenset(column) for column in columns], text)[-1][-1]
    readings = product(*columns) if columns else [()]
    plain = min(_distance([word for word in r if word is not None], text) for r in readings)
    assert found == plain


def _distance(reading: list[str], text: str) -> int:
    counts = count(align(reading, list(text)))
    return sum(counts.values()) - counts["equal"]
