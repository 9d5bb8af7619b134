"""Splits a hypothesis into words with confidences, for voting.

A word's confidence is the geometric mean of its tokens' probabilities, so that a word of many pieces does not
get less than one of few. Where a recognizer gives no tokens, every word has the mean of the hypothesis.
Calibrated confidences, of kind ``estimate``, can take their place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from components.ensembling.output_level.voting.words import MIN_CONFIDENCE, Word, split_units
from components.records import Hypothesis, Token
from components.text.languages import UNDETERMINED, without_spaces
from components.text.matching.word_values import assign_values, spell_words
from components.text.normalization.text_normalization import Normalizer, word_key


def split_words(
    hypothesis: Hypothesis,
    language: str = UNDETERMINED,
    normalizer: Normalizer | None = None,
    *,
    calibrated: bool = False,
) -> tuple[Word, ...]:
    """Split a hypothesis into words (characters, in languages written without spaces).

    Punctuation between spaces belongs to the word before it (at the start, to the first word).

    Args:
        hypothesis: its tokens' log-probabilities give the confidences.
        language: of the text.
        normalizer: the words are those of the normalized text, each with the confidence of what it was
            before.
        calibrated: its ``word_confidences`` give the confidences.
    """
    text = normalizer(hypothesis.text) if normalizer else hypothesis.text
    words = _attach_punctuation(split_units(text, language), "" if without_spaces(language) else " ")
    if calibrated:
        token_words = _words_of_estimates(hypothesis, language)
    else:
        token_words = _words_of_tokens(hypothesis.tokens, language)
    mean = math.exp(min(0.0, hypothesis.score / hypothesis.n_tokens)) if hypothesis.n_tokens else 1.0
    if not token_words:
        return tuple(replace(word, confidence=max(mean, MIN_CONFIDENCE)) for word in words)
    confidences = _align_confidences([word.key for word in words], token_words, mean)
    return tuple(
        replace(w, confidence=max(c, MIN_CONFIDENCE)) for w, c in zip(words, confidences, strict=True)
    )


def _attach_punctuation(units: Sequence[str], space: str) -> list[Word]:
    words: list[Word] = []
    before = ""
    for unit in units:
        if key := word_key(unit):
            words.append(Word(key, before + unit, 1.0))
            before = ""
        elif words:
            words[-1] = replace(words[-1], surface=words[-1].surface + space + unit)
        else:
            before += unit + space
    return words


def _words_of_estimates(hypothesis: Hypothesis, language: str) -> list[Word]:
    """Return the words of the text with their calibrated confidences; each character has that of its word."""
    return [
        Word(key, unit, max(confidence, MIN_CONFIDENCE))
        for word, confidence in zip(hypothesis.text.split(), hypothesis.word_confidences, strict=True)
        for unit in split_units(word, language)
        if (key := word_key(unit))
    ]


def _words_of_tokens(tokens: Sequence[Token], language: str) -> list[Word]:
    """Return the words that the tokens spell, with their confidences; none without tokens."""
    pattern = r"\S" if without_spaces(language) else r"\S+"
    words = []
    for word, numbers in spell_words([token.piece for token in tokens], pattern):
        mean = sum(tokens[number].log_prob for number in numbers) / len(numbers)
        if key := word_key(word):
            words.append(Word(key, word, max(math.exp(min(0.0, mean)), MIN_CONFIDENCE)))
    return words


def _align_confidences(keys: Sequence[str], token_words: Sequence[Word], mean: float) -> list[float]:
    """The confidence of each key, from aligned token words; stretches of other lengths share a mean."""
    aligned = assign_values(keys, [(word.key, [word.confidence]) for word in token_words])
    return [_geometric_mean(confidences) if confidences else mean for confidences in aligned]


def _geometric_mean(values: Sequence[float]) -> float:
    return values[0] if len(values) == 1 else math.exp(sum(map(math.log, values)) / len(values))
