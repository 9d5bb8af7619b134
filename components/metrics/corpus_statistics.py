"""Sufficient statistics: per utterance the counts whose sum over a corpus gives the corpus score.

Whatever resamples, shuffles or divides a corpus works on these tables, so that a test of BLEU and a test of
WER are the same few lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, cast

import numpy as np
from sacrebleu.metrics.base import Metric

from components.metrics.bootstrap import (
    RESAMPLES,
    SEED,
    ratio_interval,
    resample_sums,
    sacrebleu_interval,
)
from components.metrics.languages import Language, merge_signatures
from components.metrics.pairing import align_by_id
from components.metrics.translation import TRANSLATION_METRICS, nonempty_references, sentence_statistics
from components.metrics.wer import ErrorCounts, count_by_metric, normalize_pairs
from components.records import Score, Text
from components.text_normalization import Normalizer

Table = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class CorpusStatistics:
    """One metric of one system: ``rows`` (n, k) by utterance, in the order of ``ids``.

    ``of_sum`` gives the score of a sum of rows (k,); ``signature`` says how text became counts.
    """

    name: str
    ids: tuple[Text, ...]
    rows: Table
    score_of_sum: Callable[[list[float]], float]
    higher_is_better: bool
    n_total: int
    signature: str

    def score(self, rows: Table | None = None) -> float:
        """Corpus score of ``rows`` (m, k), by default of all."""
        return self.score_of_sum((self.rows if rows is None else rows).sum(0).tolist())

    def resample_scores(self) -> Table:
        """Scores of the bootstrap resamples; all tables of as many utterances are drawn from alike."""
        return np.asarray([self.score_of_sum(row) for row in resample_sums(self.rows).tolist()])

    def to_score(self) -> Score:
        """The score of all utterances with its bootstrap interval, as a cascade reports it."""
        value = self.score()
        if self.name in ("wer", "cer"):
            share = ratio_interval(self.rows[:, 0].tolist(), self.rows[:, 1].tolist())
            interval = share and (100.0 * share[0], 100.0 * share[1])
        else:
            interval = sacrebleu_interval(self.rows.tolist(), self.score_of_sum, value)
        return Score(
            name=self.name,
            value=value,
            higher_is_better=self.higher_is_better,
            interval=interval,
            n=len(self.ids),
            n_total=self.n_total,
            signature=f"{self.signature}|bs:{RESAMPLES}|seed:{SEED}",
        )

    def subset(self, ids: Iterable[str]) -> CorpusStatistics:
        """The same metric over these utterances, in this order; ids that were not scored are left out."""
        places = {key: place for place, key in enumerate(self.ids)}
        chosen = tuple(key for key in dict.fromkeys(ids) if key in places)
        return replace(self, ids=chosen, rows=self.rows[[places[key] for key in chosen]])


def translation_statistics(
    references: Mapping[str, Sequence[str]],
    hypotheses: Mapping[str, str],
    *,
    language: Language,
    n_total: int,
    names: Sequence[str] = TRANSLATION_METRICS,
    tokenizer: str | None = None,
) -> dict[str, CorpusStatistics]:
    """sacreBLEU's statistics of each metric in ``names``; {} if nothing has both reference and output.

    Scores and pairing are those of :func:`~components.metrics.translation.translation_scores`. TER takes
    some milliseconds a sentence; leave it out of ``names`` where many systems are compared.
    """
    pairs = align_by_id(nonempty_references(references), hypotheses, n_total)
    if not pairs.ids:
        return {}
    found = {}
    for name in TRANSLATION_METRICS:
        if name in names:
            rows, metrics = sentence_statistics(name, pairs, language, tokenizer)
            found[name] = CorpusStatistics(
                name,
                pairs.ids,
                np.asarray(rows, np.float64),
                _bounded(next(iter(metrics.values())), math.inf if name == "ter" else 100.0),
                name != "ter",
                n_total,
                merge_signatures({code: str(one.get_signature()) for code, one in metrics.items()}),
            )
    return found


def recognition_statistics(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    *,
    language: Language,
    n_total: int,
    normalizer: Normalizer | None = None,
) -> dict[str, CorpusStatistics]:
    """Errors and lengths for ``wer`` and ``cer`` in percent, utterances with an empty reference left out.

    Scores and pairing are those of :func:`~components.metrics.wer.recognition_scores`.
    """
    pairs = normalize_pairs(align_by_id(references, hypotheses, n_total), language, normalizer)
    found = {}
    for name, (ids, counts, norm) in count_by_metric(pairs, language, normalizer).items():
        signature = f"{name}|corpus|norm:{norm}|jiwer:{version('jiwer')}"
        found[name] = CorpusStatistics(name, ids, _table(counts), _rate, False, n_total, signature)
    return found


def _table(counts: Sequence[ErrorCounts]) -> Table:
    return np.asarray([(count.errors, count.length) for count in counts], np.float64)


def _rate(total: list[float]) -> float:
    errors, length = total
    return 100.0 * errors / length


def _bounded(metric: Metric, ceiling: float) -> Callable[[list[float]], float]:
    return lambda total: min(float(metric._compute_score_from_stats(cast(Any, total)).score), ceiling)
