"""Utilities of minimum Bayes risk: how alike the candidates of one utterance are, all pairs at once.

Numbers are sacreBLEU's sentence scores (chrF2 with its defaults; BLEU with effective order and exponential
smoothing) and the word error rate of rapidfuzz's edit distance. Counting is done once per candidate instead
of once per pair (:mod:`.clipped_matches`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist
from sacrebleu.metrics.bleu import BLEU

from components.ensembling.output_level.risk.clipped_matches import Matrix, count_clipped_matches
from components.metrics.error_rates.wer import WordErrorRate
from components.metrics.metric import Metric, Segments
from components.metrics.normalizers import BY_LANGUAGE, OPEN_ASR, normalizer_for
from components.metrics.translation_quality.bleu import bleu_tokenizer
from components.text.languages import without_spaces

Utility = Callable[[Sequence[str], Sequence[str], str], Matrix]
"""(m texts, n references, language) -> (m, n): entry (i, j) is the utility of text i with reference j."""

CHRF_ORDER, CHRF_BETA = 6, 2.0
BLEU_ORDER = 4


def sentence_chrf(texts: Sequence[str], references: Sequence[str], language: str) -> Matrix:
    """Return sentence chrF2 in [0, 100] (Popović 2015); the language is not used."""
    precision, recall, orders = (np.zeros((len(texts), len(references))) for _ in range(3))
    for order in range(1, CHRF_ORDER + 1):
        bags = [character_ngrams(side, order) for side in (texts, references)]
        n, r = (np.array([len(bag) for bag in side], float) for side in bags)
        both = (n[:, None] > 0) & (r[None, :] > 0)
        matches = count_clipped_matches(*bags)
        precision += np.where(both, matches / np.maximum(n[:, None], 1), 0.0)
        recall += np.where(both, matches / np.maximum(r[None, :], 1), 0.0)
        orders += both
    return chrf_of(*(mean / np.maximum(orders, 1) for mean in (precision, recall)))


def character_ngrams(texts: Sequence[str], order: int) -> list[list[str]]:
    """Return the character n-grams of each text, without its spaces."""
    rows = ["".join(text.split()) for text in texts]
    return [[row[i : i + order] for i in range(len(row) - order + 1)] for row in rows]


def chrf_of(precision: Matrix, recall: Matrix) -> Matrix:
    """Return ChrF2 in [0, 100] of precisions and recalls that are averaged over the orders."""
    below = CHRF_BETA**2 * precision + recall
    above = (1 + CHRF_BETA**2) * precision * recall
    return 100.0 * np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def sentence_bleu(texts: Sequence[str], references: Sequence[str], language: str) -> Matrix:
    """Return sentence BLEU, 0 to 100, over the orders that a candidate is long enough for (Papineni 2002)."""
    words, others = (split_for_bleu(side, language) for side in (texts, references))
    matches = [
        count_clipped_matches(word_ngrams(words, order), word_ngrams(others, order))
        for order in range(1, BLEU_ORDER + 1)
    ]
    lengths, reference_lengths = (np.array([len(row) for row in side], float) for side in (words, others))
    return bleu_of(np.stack(matches), lengths, np.broadcast_to(reference_lengths, matches[0].shape))


def split_for_bleu(texts: Sequence[str], language: str) -> list[list[str]]:
    """Return the words of each text, as BLEU's tokenizer of the language cuts them."""
    tokenize = BLEU(tokenize=bleu_tokenizer(language)).tokenizer
    return [tokenize(text.rstrip()).split() for text in texts]


def word_ngrams(rows: Sequence[Sequence[str]], order: int) -> list[list[tuple[str, ...]]]:
    """Return the n-grams of each row of words."""
    return [[tuple(row[i : i + order]) for i in range(len(row) - order + 1)] for row in rows]


def bleu_of(matches: Matrix, lengths: Matrix, reference_lengths: Matrix) -> Matrix:
    """Return sentence BLEU in [0, 100], smoothed exponentially where no n-gram of an order matches.

    Args:
        matches: (orders, m, n) clipped matches; they may be expectations.
        lengths: (m,) words of each text.
        reference_lengths: (m, n) words of the reference.
    """
    logs = np.zeros(matches.shape[1:])
    halving = np.ones_like(logs)
    for order, hits in enumerate(matches, 1):
        total = np.broadcast_to(np.maximum(lengths - order + 1, 0)[:, None], hits.shape)
        halving = np.where((hits == 0) & (total > 0), halving * 2, halving)
        smoothed = np.where(hits > 0, hits, 1 / halving)
        logs += np.where(total > 0, np.log(smoothed / np.maximum(total, 1)), 0.0)
    orders = np.clip(lengths, 1, BLEU_ORDER)[:, None]
    ratio = reference_lengths / np.maximum(lengths[:, None], 1)
    penalty = np.where(lengths[:, None] < reference_lengths, np.exp(1 - ratio), 1.0)
    return np.where((matches > 0).any(0), 100.0 * penalty * np.exp(logs / orders), 0.0)


def negative_wer(
    texts: Sequence[str], references: Sequence[str], language: str, normalizer: str = BY_LANGUAGE
) -> Matrix:
    """Return minus the word error rate in percent, so at most 0, under a normalizer.

    An empty reference counts as one word, so that the rate stays finite.
    """
    norm = normalizer_for(language, normalizer)
    codes: dict[str, int] = {}

    def encode(text: str) -> list[int]:
        units = [c for c in text if not c.isspace()] if without_spaces(language) else text.split()
        return [codes.setdefault(unit, len(codes)) for unit in units]

    rows, columns = ([encode(norm(text)) for text in side] for side in (texts, references))
    errors: NDArray[Any] = cdist(rows, columns, scorer=Levenshtein.distance, dtype=np.int32)
    lengths = np.array([max(len(row), 1) for row in columns], float)
    rates: Matrix = -100.0 * errors / lengths[None, :]
    return rates


UTILITIES: dict[str, Utility] = {"chrf": sentence_chrf, "bleu": sentence_bleu}
"""Metric -> utility of all pairs at once, for metrics whose counts can be shared between the pairs."""


def find_blank(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Return which texts have no words."""
    return np.array([not text.strip() for text in texts], bool)


class UtilityMetric(NamedTuple):
    """The metric of a utility, and the text that was translated, for models that read it."""

    metric: Metric
    source: str = ""


def pairwise_utility(
    utility: UtilityMetric, texts: Sequence[str], language: str, references: Sequence[str] | None = None
) -> Matrix:
    """Return the utility of every text with every reference; larger is better.

    A metric that needs no reference gives a text the same utility with every other: quality estimation.
    Texts without words are alike, though sacreBLEU gives them 0: else no vote for silence would count.

    Args:
        utility: the metric.
        texts: the m candidates.
        language: of the texts.
        references: the n texts that they are compared with; None for the candidates themselves.

    Returns:
        (m, n): entry (i, j) is the utility of text i with reference j.
    """
    metric, references = utility.metric, texts if references is None else references
    if isinstance(metric, WordErrorRate) and metric.normalizer != OPEN_ASR:  # which counts compounds its way
        return negative_wer(texts, references, language, metric.normalizer)
    if metric.name in UTILITIES:
        values = UTILITIES[metric.name](texts, references, language)
        return np.where(np.outer(find_blank(texts), find_blank(references)), 100.0, values)
    count = len(texts) * len(references)
    pairs = Segments(
        ids=tuple(map(str, range(count))),
        hypotheses=tuple(text for text in texts for _ in references),
        languages=(language,) * count,
        references=tuple((reference,) for _ in texts for reference in references),
        sources=(utility.source,) * count,
    )
    scores = metric.score(metric.statistics(pairs)).reshape(len(texts), len(references))
    return scores if metric.higher_is_better else -scores


def agreement_of(metric: Metric, utility: Matrix) -> Matrix:
    """Return a utility as an agreement of at least 0, so that it can be divided into shares.

    That of an error rate is the percentage of words that are right.
    """
    return np.maximum(utility if metric.higher_is_better else metric.worst + utility, 0.0)
