"""Corpus metrics as sums of per-text statistics, so that swapping one text changes the score by addition.

A row gives the statistics of hypotheses and the scores of their sums; the scores are sacreBLEU's corpus BLEU
(13a or the language's tokeniser, exponential smoothing) and chrF2, and the word error rate, negated, so that
more is always better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from components.metrics.normalizers import normalizer_for, without_spaces
from components.metrics.translation import bleu_tokenizer
from components.metrics.wer import count_character_errors, count_word_errors

Table = NDArray[np.float64]


@dataclass(frozen=True)
class Corpus:
    """``statistics(hypotheses, references of each, language)`` -> (n, k); ``score`` maps sums (..., k) to
    scores (...).
    """

    statistics: Callable[[Sequence[str], Sequence[Sequence[str]], str], Table]
    score: Callable[[Table], Table]


def _streams(references: Sequence[Sequence[str]]) -> list[list[str | None]]:
    most = max(map(len, references))
    return [[row[i] if i < len(row) else None for row in references] for i in range(most)]


def _sacrebleu(metric: Any, hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Table:
    rows = metric._extract_corpus_statistics(list(hypotheses), cast(Any, _streams(references)))
    return np.asarray(rows, np.float64)


def _bleu_statistics(hypotheses: Sequence[str], references: Sequence[Sequence[str]], language: str) -> Table:
    return _sacrebleu(BLEU(tokenize=bleu_tokenizer(language), force=True), hypotheses, references)


def _bleu_score(sums: Table) -> Table:
    """Statistics are hypothesis length, reference length, 4 matches, 4 totals."""
    length, reference = sums[..., 0], sums[..., 1]
    matches, totals = sums[..., 2:6], sums[..., 6:10]
    missed = (matches == 0) & (totals > 0)
    smoothed = np.where(matches > 0, matches, 0.5 ** np.cumsum(missed, -1))
    logs = np.log(smoothed / np.maximum(totals, 1)).mean(-1)
    penalty = np.minimum(0.0, 1 - reference / np.maximum(length, 1))
    scored: Table = np.where((matches.sum(-1) > 0) & (totals > 0).all(-1), 100 * np.exp(logs + penalty), 0.0)
    return scored


def _chrf_statistics(hypotheses: Sequence[str], references: Sequence[Sequence[str]], language: str) -> Table:
    del language
    return _sacrebleu(CHRF(), hypotheses, references)


def _chrf_score(sums: Table) -> Table:
    """Statistics are hypothesis n-grams, reference n-grams, matches, for each of 6 orders."""
    parts = sums.reshape(*sums.shape[:-1], -1, 3)
    hypothesis, reference, matches = parts[..., 0], parts[..., 1], parts[..., 2]
    both = (hypothesis > 0) & (reference > 0)
    orders = np.maximum(both.sum(-1), 1)
    precision = np.where(both, matches / np.maximum(hypothesis, 1), 0.0).sum(-1) / orders
    recall = np.where(both, matches / np.maximum(reference, 1), 0.0).sum(-1) / orders
    above = 5 * precision * recall
    below = 4 * precision + recall
    scored: Table = 100.0 * np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return scored


def _wer_statistics(hypotheses: Sequence[str], references: Sequence[Sequence[str]], language: str) -> Table:
    """Errors and words of the first reference (characters, in languages written without spaces)."""
    norm = normalizer_for(language)
    count = count_character_errors if without_spaces(language) else count_word_errors
    counts = count([norm(row[0]) for row in references], [norm(text) for text in hypotheses])
    return np.array([[c.errors, c.length] for c in counts], np.float64)


def _wer_score(sums: Table) -> Table:
    return -100.0 * sums[..., 0] / np.maximum(sums[..., 1], 1)


CORPUS: dict[str, Corpus] = {
    "bleu": Corpus(_bleu_statistics, _bleu_score),
    "chrf": Corpus(_chrf_statistics, _chrf_score),
    "wer": Corpus(_wer_statistics, _wer_score),
}
"""Metric -> statistics and score."""
