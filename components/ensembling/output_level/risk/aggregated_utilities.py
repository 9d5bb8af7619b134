"""Reference aggregation: minimum Bayes risk in linear time, against one average of all references.

DeNero et al. 2009 (expected n-gram counts, for BLEU); Vamvas and Sennrich 2024 (chrF). Their average is of
counts; here it is of clipped matches, which are linear in the references, so the expected precision and
recall of every order are those of the exact form. What is not linear is taken of the averages: the F-score of
chrF, which is concave, so that an aggregated chrF is never below the exact one; in BLEU the geometric mean
and the brevity penalty, for which there is no bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from components.ensembling.output_level.risk.clipped_matches import Matrix, expect_clipped_matches
from components.ensembling.output_level.risk.mbr_utilities import (
    BLEU_ORDER,
    CHRF_ORDER,
    bleu_of,
    character_ngrams,
    chrf_of,
    split_for_bleu,
    word_ngrams,
)

AggregatedUtility = Callable[[Sequence[str], Matrix, str], Matrix]
"""(n texts, weights (k, n) of them as references, each row's sum 1, language) -> (n, k) utilities."""


def aggregated_chrf(texts: Sequence[str], weights: Matrix, language: str) -> Matrix:
    """Return chrF2 of expected precision and recall, in [0, 100]; at least the expected sentence chrF2."""
    n_orders = np.array([min(len("".join(text.split())), CHRF_ORDER) for text in texts])
    precision, recall = (np.zeros((len(texts), len(weights))) for _ in range(2))
    for longest in sorted(set(n_orders)):  # a short reference counts over fewer orders
        among = weights * (n_orders == longest)
        orders = np.maximum(np.minimum(n_orders, longest), 1)[:, None]
        for order in range(1, longest + 1):
            bags = character_ngrams(texts, order)
            sizes = np.maximum([len(bag) for bag in bags], 1)
            matches = expect_clipped_matches(bags, np.concatenate([among, among / sizes])) / orders
            precision += matches[:, : len(among)] / sizes[:, None]
            recall += matches[:, len(among) :]
    return chrf_of(precision, recall)


def aggregated_bleu(texts: Sequence[str], weights: Matrix, language: str) -> Matrix:
    """Return sentence BLEU, 0 to 100, of expected clipped matches and expected length of references."""
    words = split_for_bleu(texts, language)
    lengths = np.array([len(row) for row in words], float)
    matches = [
        expect_clipped_matches(word_ngrams(words, order), weights) for order in range(1, BLEU_ORDER + 1)
    ]
    return bleu_of(np.stack(matches), lengths, np.broadcast_to(weights @ lengths, matches[0].shape))


AGGREGATED_UTILITIES: dict[str, AggregatedUtility] = {"chrf": aggregated_chrf, "bleu": aggregated_bleu}
"""Metric -> its utility against aggregated references."""
