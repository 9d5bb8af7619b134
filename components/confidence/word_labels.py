"""Which words of a transcript are right: aligned with the reference under the normalizer of its WER."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from components.text.matching.alignment import align

if TYPE_CHECKING:
    from components.text.normalization.text_normalization import Normalizer


def label_words(text: str, reference: str, normalizer: Normalizer) -> list[bool]:
    """Return for each word of ``text.split()`` whether the reference has it at its position.

    Errors are those of a least alignment after normalization, so "Two" is right where the reference says "2".
    A word that becomes several tokens is right if all of them are. One that becomes a token together with its
    neighbors ("twenty one") has their label, and one that is no word to the normalizer (a filler) is right:
    it counts as no error. Deleted words have no word to stand at.
    """
    words = text.split()
    pieces = [_tokens_of(normalizer, word) for word in words]
    tokens = normalizer(text).split()
    columns = align(normalizer(reference).split(), tokens)
    right = [column.operation == "equal" for column in columns if column.hypothesis is not None]
    labels: list[bool | None] = [None if piece else True for piece in pieces]
    for word, token in zip(*_owners(pieces, tokens), strict=True):
        labels[word] = labels[word] is not False and right[token]
    return _fill_from_neighbors(labels)


@lru_cache(maxsize=1 << 14)
def _tokens_of(normalizer: Normalizer, word: str) -> tuple[str, ...]:
    return tuple(normalizer(word).split())


def _owners(pieces: list[tuple[str, ...]], tokens: list[str]) -> tuple[list[int], list[int]]:
    """Pair the words with the tokens of the whole text that they became; every token has a word."""
    owner = [number for number, piece in enumerate(pieces) for _ in piece]
    words: list[int] = []
    at, last = 0, owner[0] if owner else 0
    for column in align([token for piece in pieces for token in piece], tokens):
        if column.reference is not None:
            last, at = owner[at], at + 1
        if column.hypothesis is not None:
            words.append(last)
    return words, list(range(len(words)))


def _fill_from_neighbors(labels: list[bool | None]) -> list[bool]:
    """Give words that have no token of their own the label of the word before, else of the next."""
    filled: list[bool] = []
    for number, label in enumerate(labels):
        following = next((later for later in labels[number:] if later is not None), True)
        before = filled[-1] if filled else following
        filled.append(before if label is None else label)
    return filled
