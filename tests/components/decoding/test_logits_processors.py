"""Each logits processor against a plain loop over the rows."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from components.decoding.constraints.logits_processors import FORBIDDEN, History, LogitsProcessor, TokenRule
from components.decoding.constraints.token_constraints import (
    bias_sequences,
    forbid_sequences,
    force_at,
    force_last,
    no_repeat_ngram,
    suppress,
    suppress_at,
    suppress_until,
)
from components.recognition.whisper.logits_processors import PairTimestamps

SIZE = 5
RULES = [
    no_repeat_ngram(1),
    no_repeat_ngram(2, [3]),
    no_repeat_ngram(3, [1, 0]),
    bias_sequences([([2], 0.5), ([1, 2], 1.5), ([0, 1, 2, 3], -2.0)], [0, 1]),
    forbid_sequences([[2, 3], [1, 1, 4]]),
    PairTimestamps(stamp=2, eot=1),
]


def forbidden(process: LogitsProcessor, rows: list[list[int]], limit: int = 9) -> list[set[int]]:
    tokens = torch.tensor(rows, dtype=torch.long).reshape(len(rows), -1)
    result = process(torch.zeros(len(rows), SIZE), History(tokens, torch.arange(len(rows)), limit))
    return [{i for i, value in enumerate(row) if value == FORBIDDEN} for row in result.tolist()]


def test_suppression_by_step() -> None:
    assert forbidden(suppress([1, 3]), [[0], [2]]) == [{1, 3}, {1, 3}]
    assert forbidden(suppress_at(1, [2]), [[0]]) == [{2}]
    assert forbidden(suppress_at(1, [2]), [[0, 0]]) == [set()]
    assert [forbidden(suppress_until(2, [0]), [[1] * n])[0] for n in range(4)] == [{0}, {0}, set(), set()]


def test_forcing_leaves_one_token() -> None:
    assert forbidden(force_at(0, 4), [[], []]) == [{0, 1, 2, 3}] * 2
    assert forbidden(force_last([0]), [[1, 1]], limit=3) == [{1, 2, 3, 4}]
    assert forbidden(force_last([0]), [[1, 1]], limit=4) == [set()]


@given(st.lists(st.lists(st.integers(0, SIZE - 1), min_size=6, max_size=6), min_size=1, max_size=4))
def test_sequences_and_ngrams(rows: list[list[int]]) -> None:
    words = [[2, 3], [1, 1, 4]]
    expected = [{w[-1] for w in words if row[len(row) - len(w) + 1 :] == w[:-1]} for row in rows]
    assert forbidden(forbid_sequences(words), rows) == expected
    for size in (2, 3):
        grams = [[row[i : i + size] for i in range(len(row) - size + 1)] for row in rows]
        expected = [
            {g[-1] for g in results if g[:-1] == row[len(row) - size + 1 :]}
            for row, results in zip(rows, grams, strict=True)
        ]
        assert forbidden(no_repeat_ngram(size), rows) == expected
        parted = [row[2:] for row in rows if row[:2] == rows[0][:2]]  # after the same first tokens
        same = [results for row, results in zip(rows, expected, strict=True) if row[:2] == rows[0][:2]]
        assert forbidden(no_repeat_ngram(size, rows[0][:2]), parted) == same


def test_sequences_may_begin_in_the_first_tokens() -> None:
    assert forbidden(forbid_sequences([[3, 1, 4]], start=[3]), [[1], [2]]) == [{4}, set()]
    assert forbidden(no_repeat_ngram(3, start=[4]), [[1, 2, 0, 4, 1], [1, 2, 0, 2, 1]]) == [{2}, set()]


@given(
    st.lists(st.lists(st.integers(0, SIZE - 1), min_size=6, max_size=6), min_size=1, max_size=4),
    st.integers(0, 6),
    st.integers(1, 3),
)
def test_rules_are_the_same_where_there_is_room_for_more_tokens(
    rows: list[list[int]], length: int, room: int
) -> None:
    """Steps of fixed shapes have -1 before the first token."""
    tokens, log_probs = torch.tensor(rows)[:, :length], torch.randn(len(rows), SIZE)
    padded = torch.nn.functional.pad(tokens, (room, 0), value=-1)
    for rule in RULES:
        assert isinstance(rule, TokenRule)
        expected = rule.apply(log_probs.clone(), tokens)
        assert torch.equal(rule.apply(log_probs.clone(), padded), expected), rule
