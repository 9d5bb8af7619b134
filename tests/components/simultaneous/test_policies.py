"""What policies allow, and how they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import ConfigError
from components.simultaneous.policies import POLICIES, Choice, Progress, common_prefix, read_policies

WORDS = st.lists(st.sampled_from("abc"), max_size=6)


def progress(*best: str, written: int = 0, read: int = 0, lists: list[str] | None = None) -> Progress:
    hypotheses: list[list[list[str]]] = [[text.split()] for text in best]
    if lists is not None:
        hypotheses[-1] = [text.split() for text in lists]
    return Progress(hypotheses, written, read)  # type: ignore[arg-type]


def attending(frames: list[int], length: int) -> Progress:
    state = progress(" ".join("abcd"[: len(frames)]))
    state.attended, state.length = frames, length
    return state


@pytest.mark.parametrize(
    ("policy", "state", "allowed"),
    [
        (Choice("local_agreement", 2), progress("a b c", "a b d e"), 2),
        (Choice("local_agreement", 2), progress("a b c"), 0),
        (Choice("local_agreement", 3), progress("a b", "a b c", "a c"), 1),
        (Choice("shared_prefix", 3), progress("a b c", lists=["a b c", "a b", "a b d"]), 2),
        (Choice("hold", 2), progress("a b c d"), 2),
        (Choice("hold", 9), progress("a b c d", written=1), 1),
        (Choice("wait_k", 3), progress("a b c d", read=4), 2),
        (Choice("wait_k", 1), progress("a b", read=9), 2),
        (Choice("fixed", 0), progress("a b c"), 3),
        (Choice("retranslate", 0), progress("a b c"), 3),
        (Choice("alignatt", 2), attending([0, 5, 3, 6], 10), 3),  # the last word may go on
        (Choice("alignatt", 4), attending([0, 5, 6, 1], 10), 2),  # and nothing behind one that is too late
        (Choice("alignatt", 4), attending([9, 0], 10), 0),
    ],
)
def test_a_policy_writes_what_it_allows(policy: Choice, state: Progress, allowed: int) -> None:
    assert policy.commit(state) == allowed


@given(st.lists(WORDS, min_size=1, max_size=4), st.integers(0, 6))
def test_no_policy_takes_anything_back_or_writes_what_is_not_there(
    texts: list[list[str]], written: int
) -> None:
    written = min(written, len(texts[-1]))
    for name, row in POLICIES.items():
        state = Progress([[text] for text in texts], written, read=3)
        assert written <= Choice(name, max(row.number, row.least)).commit(state) <= len(texts[-1])


@given(st.lists(WORDS, min_size=1, max_size=4))
def test_the_common_prefix_is_that_of_a_plain_loop(texts: list[list[str]]) -> None:
    n = 0
    while all(len(text) > n for text in texts) and len({text[n] for text in texts}) == 1:
        n += 1
    assert common_prefix(texts) == n


def test_policies_are_for_all_nodes_or_for_one() -> None:
    chosen = read_policies(["hold", "mt=wait_k:5"], ["asr", "mt"])
    assert {name: str(choice) for name, choice in chosen.items()} == {"asr": "hold:2", "mt": "wait_k:5"}
    assert str(read_policies([], ["asr"])["asr"]) == "local_agreement:2"
    chosen = read_policies(["alignatt"], ["asr", "mt"], texts=["mt"])
    assert {name: str(choice) for name, choice in chosen.items()} == {
        "asr": "alignatt:25",
        "mt": "alignatt:1",
    }
    assert str(read_policies(["retranslate"], ["asr"])["asr"]) == "retranslate"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("waitk:3", "did you mean wait_k"),
        ("mt=hold:x", "expected NAME, NAME:N or NODE=NAME:N"),
        ("rm=hold", "there is no node 'rm'"),
        ("local_agreement:1", "expected at least 2 hypotheses that agree, found 1"),
    ],
)
def test_wrong_policies_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_policies([text], ["asr", "mt"])
