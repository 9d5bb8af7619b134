"""Perturbed text: what is changed is counted, and everything else stays."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from components.perturbation import text
from components.perturbation.config import PerturbationConfig

WORDS = [
    *("two", "young", "boys", "build", "a", "wall", "of", "snow", "before", "their", "house"),
    *("in", "winter"),
]


def perturb(sentence: str, language: str = "en", key: str = "u", **amounts: object) -> str:
    config = PerturbationConfig.model_validate(amounts)
    return text.perturb_text(sentence, config, language, key, 1)


def test_the_share_of_words_with_a_typo_is_that_which_is_asked_for() -> None:
    sentence = " ".join(WORDS * 200)
    changed = perturb(sentence, typos=0.2).split()
    share = sum(a != b for a, b in zip(WORDS * 200, changed, strict=True)) / len(changed)
    mistakable = sum(len(word) > 1 for word in WORDS) / len(WORDS)
    assert abs(share - 0.2 * mistakable) < 0.03


@given(st.text(min_size=0, max_size=12), st.integers(0, 100))
def test_a_typo_is_one_mistake(word: str, seed: int) -> None:
    assert OSA.distance(word, text.mistype(word, random.Random(seed))) <= 1


def test_disfluencies_are_added_and_no_word_is_lost() -> None:
    changed = perturb(" ".join(WORDS), language="de", disfluencies=1.0).split()
    left = iter(changed)
    assert all(word in left for word in WORDS)  # a subsequence
    assert len(changed) > len(WORDS)
    assert "um" not in changed
    assert perturb(" ".join(WORDS), language="deu", disfluencies=1.0).split() == changed


def test_case_and_punctuation() -> None:
    sentence = 'Don\'t say "Hello", well-known Mr. 3.5!\nTwo'
    assert perturb(sentence, strip_punctuation=True) == "Don't say Hello well-known Mr 3.5\nTwo"
    assert perturb(sentence, lowercase=True) == sentence.lower()


@given(st.text(), st.sampled_from(["en", "de", "xx"]))
def test_nothing_asked_for_is_nothing_done(sentence: str, language: str) -> None:
    assert perturb(sentence, language) == sentence


@given(st.text(max_size=40))
def test_a_text_depends_on_its_utterance_alone(sentence: str) -> None:
    words = " ".join(WORDS)
    assert perturb(words, key="u", typos=0.5) != perturb(words, key="v", typos=0.5)
    first = perturb(sentence, typos=0.5, disfluencies=0.5)
    assert first == perturb(sentence, typos=0.5, disfluencies=0.5)
    assert first.count("\n") == sentence.count("\n")
