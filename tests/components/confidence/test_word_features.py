from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.confidence.word_features import WORD_FEATURES, extract_word_features
from components.records import Hypothesis, NBest, Segment, Token, Word


def list_of(text: str, tokens: tuple[Token, ...] = (), **others: float) -> NBest:
    rows = {text: 0.0, **{name.replace("_", " "): score for name, score in others.items()}}
    return NBest(
        utterance_id="u",
        hypotheses=tuple(
            Hypothesis(text=each, score=score, n_tokens=3, system="s", tokens=tokens if each == text else ())
            for each, score in rows.items()
        ),
    )


def token(piece: str, log_prob: float, **values: object) -> Token:
    return Token.model_validate({"piece": piece, "log_prob": log_prob, **values})


WHISPER = (
    token("<|0.00|>", -9),
    token(" Hel", -0.1, entropy=0.1, margin=3),
    token("lo", -0.3, entropy=0.4, margin=2),
    token(" there", -1, entropy=2, margin=0.5),
    token(".", -0.5, entropy=0.5, margin=1, members={"x": -1.0, "y": -3.0}),
    token("<|endoftext|>", -8),
)


def test_a_word_has_the_numbers_of_its_tokens() -> None:
    hello, there = extract_word_features(list_of("Hello there.", WHISPER))
    assert hello["mean_log_prob"] == pytest.approx(-0.2)
    assert (hello["min_log_prob"], hello["max_entropy"], hello["min_margin"]) == (-0.3, 0.4, 2)
    assert (there["min_log_prob"], there["max_entropy"], there["min_margin"]) == (-1, 2, 0.5)
    assert (hello["n_tokens"], hello["n_characters"], hello["position"]) == (2, 5, 0)
    assert (there["position"], there["member_disagreement"]) == (1, 1)
    assert "posterior" not in hello
    assert "probability" not in hello


@pytest.mark.parametrize("space", ["\u2581", "\u0120", " "])
def test_vocabularies_mark_spaces_in_their_own_ways(space: str) -> None:
    tokens = (token(f"{space}a", -1), token(f"{space}ca", -2), token("t", -4), token("</s>", -9))
    a, cat = extract_word_features(list_of("a cat", tokens))
    assert (a["mean_log_prob"], cat["mean_log_prob"]) == (-1, -3)


def test_equal_tokens_are_counted_one_by_one() -> None:
    no = token(" no", -1)
    assert [word["n_tokens"] for word in extract_word_features(list_of("no no no", (no, no, no)))] == [
        1,
        1,
        1,
    ]


def test_words_that_the_tokens_spell_otherwise_share_theirs() -> None:
    tokens = (token(" twenty", -1), token(" two", -3), token(" cats", -5))
    number, cats = extract_word_features(list_of("22 cats", tokens))
    assert (number["mean_log_prob"], cats["mean_log_prob"]) == (-2, -5)


def test_the_posterior_of_a_word_is_the_share_of_the_texts_that_have_it() -> None:
    words = extract_word_features(list_of("the small cat", the_cat=-1.0, a_small_hat=-2.0))
    masses = [1, math.exp(-1), math.exp(-2)]
    expected = [masses[0] + masses[1], masses[0] + masses[2], masses[0] + masses[1]]
    assert [word["posterior"] for word in words] == pytest.approx([m / sum(masses) for m in expected])


def test_timed_words_bring_their_probability() -> None:
    timed = (
        Word(start=0, end=1, text=" a", probability=0.5),
        Word(start=1, end=2, text=" cat", probability=0.25),
    )
    segment = Segment(start=0, end=2, text="a cat", words=timed)
    text = NBest(
        utterance_id="u",
        hypotheses=(Hypothesis(text="a cat", score=-1, n_tokens=3, system="s", segments=(segment,)),),
    )
    assert [word["probability"] for word in extract_word_features(text)] == [0.5, 0.25]


def test_a_further_text_supports_the_words_that_it_has() -> None:
    words = extract_word_features(list_of("the small cat"), {"base": list_of("The cat!")})
    assert [word["supported.base"] for word in words] == [1, 0, 1]


@given(text=st.text(max_size=30), pieces=st.lists(st.text(max_size=5), max_size=8))
def test_every_word_of_any_text_has_finite_features(text: str, pieces: list[str]) -> None:
    words = extract_word_features(list_of(text, tuple(token(piece, -1) for piece in pieces)))
    assert len(words) == len(list_of(text).best.text.split())
    assert all(math.isfinite(value) for word in words for value in word.values())
    assert {name for word in words for name in word} <= WORD_FEATURES.keys()
