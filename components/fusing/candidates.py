"""The candidates of one utterance, in the order in which they are read, and how far a text is from them."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from components.ensembling.output_level.voting.words import split_units
from components.records import NBest
from components.text.normalization.text_normalization import word_key


def collect_texts(nbests: Sequence[NBest], limit: int) -> list[str]:
    """Gather different texts: the best of every list, then the second of every list, and so on.

    Args:
        nbests: the lists of the systems, in their order.
        limit: texts at most.

    Returns:
        The texts, each on one line, without empty ones; the first is that of the first list, where it says
        anything.
    """
    longest = max(len(nbest.hypotheses) for nbest in nbests)
    ranks = [
        nbest.hypotheses[rank].text
        for rank in range(longest)
        for nbest in nbests
        if rank < len(nbest.hypotheses)
    ]
    lines = (" ".join(text.split()) for text in ranks)
    return list(dict.fromkeys(line for line in lines if line))[:limit]


def edit_distance(text: str, other: str, language: str) -> float:
    """Share of words (characters, where no spaces are written) that differ, from 0 to 1.

    Edits through the length of the longer text; case and punctuation do not count.
    """
    rows = [
        [key for unit in split_units(side, language) if (key := word_key(unit))] for side in (text, other)
    ]
    return float(Levenshtein.normalized_distance(*rows))
