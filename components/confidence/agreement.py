"""How much texts agree, from 0 to 1: by characters (chrF) and by words (edit distance)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING

from rapidfuzz.distance import LCSseq, Levenshtein

from components.text.normalization.text_normalization import word_key

if TYPE_CHECKING:
    from sacrebleu.metrics.chrf import CHRF

MAX_PAIRS_OF = 32
"""Texts of one list that are compared pairwise, at most: the first ones."""


@cache
def _chrf() -> CHRF:
    from sacrebleu.metrics.chrf import CHRF  # noqa: PLC0415 - not needed to read the table

    return CHRF()


def chrf_similarity(text: str, other: str) -> float:
    """Return sentence chrF2 (Popović 2015) of ``text`` against ``other``, 0 to 1; two empty texts agree."""
    if not text.strip() or not other.strip():
        return float(text.strip() == other.strip())
    return float(_chrf().sentence_score(text, [other]).score) / 100


def word_similarity(text: str, other: str) -> float:
    """Return 1 - edit distance of the words / words of the longer text; case and punctuation do not count."""
    return float(Levenshtein.normalized_similarity(keys_of(text), keys_of(other)))


def mean_similarity(text: str, others: Sequence[str]) -> float | None:
    """Return the mean chrF of a text against each of ``others``; None without any."""
    return sum(chrf_similarity(text, other) for other in others) / len(others) if others else None


def lexical_similarity(texts: Sequence[str]) -> float | None:
    """Return the mean chrF of all pairs of ``texts``; None for fewer than two.

    Fomicheva et al. 2020 (D-Lex-Sim) take METEOR, which needs resources of a language.
    """
    pairs = list(combinations(texts[:MAX_PAIRS_OF], 2))
    return sum(chrf_similarity(a, b) for a, b in pairs) / len(pairs) if pairs else None


def keys_of(text: str) -> list[str]:
    """Return the words of ``text.split()`` as they are compared; "" for one of punctuation only."""
    return [word_key(word) for word in text.split()]


def matched_words(keys: Sequence[str], others: Sequence[str]) -> set[int]:
    """Return which of ``keys`` stand in a longest common subsequence with ``others``, by their numbers."""
    blocks = LCSseq.opcodes(keys, others)
    return {i for block in blocks if block.tag == "equal" for i in range(block.src_start, block.src_end)}
