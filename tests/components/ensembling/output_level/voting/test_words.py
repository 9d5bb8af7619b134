from __future__ import annotations

import math

import pytest

from components.ensembling.output_level.voting.word_confidences import split_words
from components.records import Hypothesis, Token
from components.text.normalization.text_normalization import get_normalizer, word_key


def hypothesis(text: str, *tokens: tuple[str, float], score: float = -2.0) -> Hypothesis:
    created = tuple(Token(piece=piece, log_prob=log_prob) for piece, log_prob in tokens)
    return Hypothesis(text=text, score=score, n_tokens=4, system="s", tokens=created)


@pytest.mark.parametrize(
    ("word", "key"),
    [("Hello,", "hello"), ("DON'T", "dont"), ("don’t", "dont"), ("living-room", "livingroom"), ("—", "")],
)
def test_spellings_of_a_word_have_one_key(word: str, key: str) -> None:
    assert word_key(word) == key


def test_a_word_of_two_pieces_has_their_geometric_mean() -> None:
    result = split_words(
        hypothesis(
            "Un able, dog",
            *[("<|0.00|>", -9.0), (" Un", -0.1), (" ab", -0.2), ("le", -0.4), (",", -0.6), (" dog", -1.0)],
            ("<|endoftext|>", -9.0),
        )
    )
    assert [word.surface for word in result] == ["Un", "able,", "dog"]
    expected = [math.exp(-0.1), math.exp(-0.4), math.exp(-1.0)]
    assert [word.confidence for word in result] == pytest.approx(expected)


def test_sentencepiece_marks_are_spaces() -> None:
    result = split_words(hypothesis("ein Hund", ("\u2581ein", -0.5), ("\u2581Hund", -0.25), ("</s>", -3.0)))
    assert [word.confidence for word in result] == pytest.approx([math.exp(-0.5), math.exp(-0.25)])


@pytest.mark.parametrize(
    "tokens",
    [
        [("the", -0.5), ("\u0120cat", -0.25), ("<|im_end|>", -3.0)],
        [("\u2581\u0120AN", -0.5), ("\u2581hu", -0.25)],
    ],
)
def test_byte_level_marks_are_spaces_and_letters_of_maltese_are_none(tokens: list[tuple[str, float]]) -> None:
    text = "the cat" if len(tokens) == 3 else "\u0120AN hu"
    result = split_words(hypothesis(text, *tokens))
    assert [word.confidence for word in result] == pytest.approx([math.exp(-0.5), math.exp(-0.25)])


def test_lone_punctuation_belongs_to_a_neighbour() -> None:
    result = split_words(hypothesis("— no – yes !"))
    assert [(word.key, word.surface) for word in result] == [("no", "— no –"), ("yes", "yes !")]


def test_without_tokens_every_word_has_the_mean() -> None:
    result = split_words(hypothesis("two words"))
    assert [word.confidence for word in result] == pytest.approx([math.exp(-0.5)] * 2)


def test_bytes_that_are_half_a_character_do_not_shift_the_others() -> None:
    """A piece may be written as backslash and number; the words beside it keep their own confidences."""
    tokens = [(" a", -0.1), (" caf", -0.2), ("\\xc3", -0.3), ("\\xa9", -0.3), (" b", -0.7)]
    result = split_words(hypothesis("a café b", *tokens))
    assert result[0].confidence == pytest.approx(math.exp(-0.1))
    assert result[2].confidence == pytest.approx(math.exp(-0.7))


def test_characters_where_no_spaces_are_written() -> None:
    result = split_words(hypothesis("你好。", ("你", -0.1), ("好。", -0.2)), "zh")
    assert [(word.key, word.surface) for word in result] == [("你", "你"), ("好", "好。")]
    assert [word.confidence for word in result] == pytest.approx([math.exp(-0.1), math.exp(-0.2)])


def test_normalized_words_keep_their_confidences() -> None:
    tokens = [(" Mr.", -0.1), (" Smith", -0.2), (" isn't", -0.3), (" here", -0.4)]
    result = split_words(hypothesis("Mr. Smith isn't here", *tokens), "en", get_normalizer("whisper-english"))
    assert [word.key for word in result] == ["mister", "smith", "is", "not", "here"]
    expected = [-0.1, -0.2, -0.3, -0.3, -0.4]
    assert [math.log(word.confidence) for word in result] == pytest.approx(expected)


def test_certainty_beyond_one_and_below_everything_is_bounded() -> None:
    result = split_words(hypothesis("a b", (" a", 0.2), (" b", -900.0)))
    assert [word.confidence for word in result] == [1.0, 1e-10]
