"""A hypothesis as words with confidences: what is voted on.

A word's confidence is the geometric mean of its tokens' probabilities, so a word of many pieces is not
less sure than one of few. Where a recogniser tells no tokens, every word has the hypothesis's own mean.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from components.alignment import align
from components.metrics.normalising import without_spaces
from components.records import Hypothesis, Token
from components.text import Normaliser

SMALLEST = 1e-10
"""Confidences are at least this, so that their logarithms are finite."""
_SPECIAL = re.compile(r"<\|[^|]*\|>|</?s>")  # time stamps and ends are no part of a word


@dataclass(frozen=True, slots=True)
class Word:
    """``key`` is what votes are counted by, ``surface`` how the word is written, confidence in (0, 1]."""

    key: str
    surface: str
    confidence: float


def key_of(word: str) -> str:
    """The word without case, punctuation and symbols: spellings of one word have one key."""
    folded = unicodedata.normalize("NFKC", word).casefold()
    return "".join(letter for letter in folded if unicodedata.category(letter)[0] not in "PSC")


def words_of(
    hypothesis: Hypothesis, language: str = "und", normaliser: Normaliser | None = None
) -> tuple[Word, ...]:
    """The words of a hypothesis (characters, in languages written without spaces).

    Punctuation that stands alone belongs to the word before it (to the first one, at the start). With a
    ``normaliser`` the words are those of the normalised text, each with the confidence of what it was.
    """
    text = normaliser(hypothesis.text) if normaliser else hypothesis.text
    written = _merged(_units(text, language), "" if without_spaces(language) else " ")
    said = _token_words(hypothesis.tokens, language)
    mean = math.exp(min(0.0, hypothesis.score / hypothesis.n_tokens)) if hypothesis.n_tokens else 1.0
    if not said:
        return tuple(replace(word, confidence=max(mean, SMALLEST)) for word in written)
    confidences = _aligned([word.key for word in written], said, mean)
    return tuple(replace(w, confidence=max(c, SMALLEST)) for w, c in zip(written, confidences, strict=True))


def _units(text: str, language: str) -> list[str]:
    return [c for c in text if not c.isspace()] if without_spaces(language) else text.split()


def _merged(units: Sequence[str], space: str) -> list[Word]:
    words: list[Word] = []
    before = ""
    for unit in units:
        if key := key_of(unit):
            words.append(Word(key, before + unit, 1.0))
            before = ""
        elif words:
            words[-1] = replace(words[-1], surface=words[-1].surface + space + unit)
        else:
            before += unit + space
    return words


def _token_words(tokens: Sequence[Token], language: str) -> list[Word]:
    """The words that tokens spell, with their confidences; [] if there are no tokens."""
    characters = [
        (character, number)
        for number, token in enumerate(tokens)
        for character in _SPECIAL.sub("", token.piece.replace("\u2581", " "))
    ]
    text = "".join(character for character, _ in characters)
    pattern = r"\S" if without_spaces(language) else r"\S+"
    words = []
    for match in re.finditer(pattern, text):
        numbers = dict.fromkeys(number for _, number in characters[match.start() : match.end()])
        mean = sum(tokens[number].log_prob for number in numbers) / len(numbers)
        if key := key_of(match[0]):
            words.append(Word(key, match[0], max(math.exp(min(0.0, mean)), SMALLEST)))
    return words


def _aligned(keys: Sequence[str], said: Sequence[Word], mean: float) -> list[float]:
    """A confidence per key: of the word it is aligned with; stretches of other lengths share their mean."""
    confidences: list[float] = []
    place = 0
    edits = align([word.key for word in said], keys)
    for _, stretch in groupby(edits, key=lambda edit: edit.operation == "equal"):
        rows = list(stretch)
        spoken = sum(edit.reference is not None for edit in rows)
        wanted = sum(edit.hypothesis is not None for edit in rows)
        known = [word.confidence for word in said[place : place + spoken]]
        same = math.exp(sum(map(math.log, known)) / spoken) if spoken else mean
        confidences += known if spoken == wanted else [same] * wanted
        place += spoken
    return confidences
