"""Utilities of minimum Bayes risk: how alike the candidates of one utterance are, all pairs at once.

Numbers are sacreBLEU's sentence scores (chrF2 with its defaults; BLEU with effective order and exponential
smoothing) and the word error rate of rapidfuzz's edit distance. Counting is done once per candidate instead
of once per pair: an n-gram that occurs k times becomes k different items, so the clipped matches of all pairs
are one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist
from sacrebleu.metrics.bleu import BLEU

from components.languages import without_spaces
from components.metrics.bleu import bleu_tokenizer
from components.metrics.metric import Segments
from components.metrics.normalizers import BY_LANGUAGE, OPEN_ASR, normalizer_for
from components.metrics.table import METRICS, get_metric
from components.metrics.wer import WordErrorRate

Matrix = NDArray[np.float64]
Utility = Callable[[Sequence[str], str], Matrix]
"""(texts, language) -> (n, n): entry (i, j) is the utility of text i with text j as the reference."""

CHRF_ORDER, CHRF_BETA = 6, 2.0
BLEU_ORDER = 4


def sentence_chrf(texts: Sequence[str], language: str) -> Matrix:
    """Sentence chrF2 in [0, 100] (Popović 2015); the language is not used."""
    del language
    characters = ["".join(text.split()) for text in texts]
    precision, recall, orders = (np.zeros((len(texts), len(texts))) for _ in range(3))
    for order in range(1, CHRF_ORDER + 1):
        grams = [[text[i : i + order] for i in range(len(text) - order + 1)] for text in characters]
        sizes = np.array([len(row) for row in grams], float)
        both = (sizes[:, None] > 0) & (sizes[None, :] > 0)
        matches = count_clipped_matches(grams)
        precision += np.where(both, matches / np.maximum(sizes[:, None], 1), 0.0)
        recall += np.where(both, matches / np.maximum(sizes[None, :], 1), 0.0)
        orders += both
    precision, recall = (mean / np.maximum(orders, 1) for mean in (precision, recall))
    below = CHRF_BETA**2 * precision + recall
    above = (1 + CHRF_BETA**2) * precision * recall
    return 100.0 * np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def sentence_bleu(texts: Sequence[str], language: str) -> Matrix:
    """Sentence BLEU in [0, 100] over the orders that the candidate is long enough for (Papineni 2002)."""
    tokenize = BLEU(tokenize=bleu_tokenizer(language)).tokenizer
    words = [tokenize(text.rstrip()).split() for text in texts]
    lengths = np.array([len(row) for row in words], float)
    logs = np.zeros((len(texts), len(texts)))
    halving = np.ones_like(logs)
    alive = np.zeros_like(logs, bool)  # some n-gram matches; otherwise the score is 0
    for order in range(1, BLEU_ORDER + 1):
        grams = [[tuple(row[i : i + order]) for i in range(len(row) - order + 1)] for row in words]
        matches = count_clipped_matches(grams)
        total = np.broadcast_to(np.maximum(lengths - order + 1, 0)[:, None], matches.shape)
        alive |= matches > 0
        halving = np.where((matches == 0) & (total > 0), halving * 2, halving)
        smoothed = np.where(matches > 0, matches, 1 / halving)
        logs += np.where(total > 0, np.log(smoothed / np.maximum(total, 1)), 0.0)
    orders = np.clip(lengths, 1, BLEU_ORDER)[:, None]
    ratio = lengths[None, :] / np.maximum(lengths[:, None], 1)
    penalty = np.where(lengths[:, None] < lengths[None, :], np.exp(1 - ratio), 1.0)
    return np.where(alive, 100.0 * penalty * np.exp(logs / orders), 0.0)


def negative_wer(texts: Sequence[str], language: str, normalizer: str = BY_LANGUAGE) -> Matrix:
    """Minus the word error rate in percent, so at most 0, under a normalizer.

    An empty reference counts as one word, so that the rate stays finite.
    """
    norm = normalizer_for(language, normalizer)
    codes: dict[str, int] = {}
    rows = []
    for text in map(norm, texts):
        units = [c for c in text if not c.isspace()] if without_spaces(language) else text.split()
        rows.append([codes.setdefault(unit, len(codes)) for unit in units])
    errors: NDArray[Any] = cdist(rows, rows, scorer=Levenshtein.distance, dtype=np.int32)
    lengths = np.array([max(len(row), 1) for row in rows], float)
    rates: Matrix = -100.0 * errors / lengths[None, :]
    return rates


UTILITIES: dict[str, Utility] = {"chrf": sentence_chrf, "bleu": sentence_bleu}
"""Metric -> utility of all pairs at once, for metrics whose counts can be shared between the pairs."""


def pairwise_utility(name: str, texts: Sequence[str], language: str, normalizer: str = BY_LANGUAGE) -> Matrix:
    """Utility of every text with every text as the reference; larger is better.

    Args:
        name: of the metric.
        texts: the n candidates.
        language: of the texts.
        normalizer: that error rates count under.

    Returns:
        (n, n): entry (i, j) is the utility of text i with text j as the reference.
    """
    metric, n = get_metric(name, normalizer), len(texts)
    if isinstance(metric, WordErrorRate) and normalizer != OPEN_ASR:  # which counts compounds in its own way
        return negative_wer(texts, language, normalizer)
    if name in UTILITIES:
        return UTILITIES[name](texts, language)
    pairs = Segments(
        ids=tuple(map(str, range(n * n))),
        hypotheses=tuple(text for text in texts for _ in texts),
        languages=(language,) * n * n,
        references=tuple((reference,) for _ in texts for reference in texts),
    )
    scores = metric.score(metric.statistics(pairs)).reshape(n, n)
    return scores if metric.higher_is_better else -scores


def agreement_of(name: str, utility: Matrix) -> Matrix:
    """A utility as an agreement of at least 0, so that it can be divided into shares.

    That of an error rate is the percentage of words that are right.
    """
    return utility if METRICS[name].higher_is_better else np.maximum(100.0 + utility, 0.0)


def count_clipped_matches(bags: Sequence[Sequence[Any]]) -> Matrix:
    """Clipped matches of every pair of bags of items, (n, n): the sum over items of the smaller count."""
    columns_of_items: dict[Any, int] = {}
    rows: list[int] = []
    columns: list[int] = []
    for number, bag in enumerate(bags):
        counts: dict[Any, int] = {}
        for item in bag:
            counts[item] = nth = counts.get(item, 0) + 1
            columns.append(columns_of_items.setdefault((item, nth), len(columns_of_items)))
        rows += [number] * len(bag)
    table = np.zeros((len(bags), max(len(columns_of_items), 1)), np.float32)
    table[rows, columns] = 1.0
    return (table @ table.T).astype(np.float64)  # counts below 2**24 are exact in float32
