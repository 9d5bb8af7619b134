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
    percentile_interval,
    resampled_sums,
    sacrebleu_interval,
)
from components.metrics.languages import Language, signature_of
from components.metrics.pairing import pair
from components.metrics.translation import METRICS, counted, stated
from components.metrics.wer import ErrorCounts, counts_by_name, normalised
from components.records import Score, Text
from components.text import Normaliser

Table = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class Statistics:
    """One metric of one system: ``rows`` (n, k) by utterance, in the order of ``ids``.

    ``of_sum`` gives the score of a sum of rows (k,); ``signature`` says how text became counts.
    """

    name: str
    ids: tuple[Text, ...]
    rows: Table
    of_sum: Callable[[list[float]], float]
    higher_is_better: bool
    n_total: int
    signature: str

    def score(self, rows: Table | None = None) -> float:
        """Corpus score of ``rows`` (m, k), by default of all."""
        return self.of_sum((self.rows if rows is None else rows).sum(0).tolist())

    def resampled(self) -> Table:
        """Scores of the bootstrap resamples; all tables of as many utterances are drawn from alike."""
        return np.asarray([self.of_sum(row) for row in resampled_sums(self.rows).tolist()])

    def scored(self) -> Score:
        """The score of all utterances with its bootstrap interval, as a cascade reports it."""
        value = self.score()
        if self.name in ("wer", "cer"):
            share = percentile_interval(self.rows[:, 0].tolist(), self.rows[:, 1].tolist())
            interval = share and (100.0 * share[0], 100.0 * share[1])
        else:
            interval = sacrebleu_interval(self.rows.tolist(), self.of_sum, value)
        return Score(
            name=self.name,
            value=value,
            higher_is_better=self.higher_is_better,
            interval=interval,
            n=len(self.ids),
            n_total=self.n_total,
            signature=f"{self.signature}|bs:{RESAMPLES}|seed:{SEED}",
        )

    def only(self, ids: Iterable[str]) -> Statistics:
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
    names: Sequence[str] = METRICS,
    tokenizer: str | None = None,
) -> dict[str, Statistics]:
    """sacreBLEU's statistics of each metric in ``names``; {} if nothing has both reference and output.

    Scores and pairing are those of :func:`~components.metrics.translation.translation_scores`. TER takes
    some milliseconds a sentence; leave it out of ``names`` where many systems are compared.
    """
    pairs = pair(stated(references), hypotheses, n_total)
    if not pairs.ids:
        return {}
    found = {}
    for name in METRICS:
        if name in names:
            rows, metrics = counted(name, pairs, language, tokenizer)
            found[name] = Statistics(
                name,
                pairs.ids,
                np.asarray(rows, np.float64),
                _bounded(next(iter(metrics.values())), math.inf if name == "ter" else 100.0),
                name != "ter",
                n_total,
                signature_of({code: str(one.get_signature()) for code, one in metrics.items()}),
            )
    return found


def recognition_statistics(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    *,
    language: Language,
    n_total: int,
    normaliser: Normaliser | None = None,
) -> dict[str, Statistics]:
    """Errors and lengths for ``wer`` and ``cer`` in percent, utterances with an empty reference left out.

    Scores and pairing are those of :func:`~components.metrics.wer.recognition_scores`.
    """
    pairs = normalised(pair(references, hypotheses, n_total), language, normaliser)
    found = {}
    for name, (ids, counts, norm) in counts_by_name(pairs, language, normaliser).items():
        signature = f"{name}|corpus|norm:{norm}|jiwer:{version('jiwer')}"
        found[name] = Statistics(name, ids, _table(counts), _rate, False, n_total, signature)
    return found


def _table(counts: Sequence[ErrorCounts]) -> Table:
    return np.asarray([(count.errors, count.length) for count in counts], np.float64)


def _rate(total: list[float]) -> float:
    errors, length = total
    return 100.0 * errors / length


def _bounded(metric: Metric, ceiling: float) -> Callable[[list[float]], float]:
    return lambda total: min(float(metric._compute_score_from_stats(cast(Any, total)).score), ceiling)
