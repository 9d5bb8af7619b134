"""chrF2 of a corpus: F-score of character n-grams (Popović 2015), as sacreBLEU counts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.translation_quality.sacrebleu_metric import SacreBleuMetric

if TYPE_CHECKING:
    from sacrebleu.metrics.chrf import CHRF

ORDER, BETA = 6, 2


@dataclass(frozen=True)
class Chrf(SacreBleuMetric):
    """chrF2; statistics are n-grams of the output, of the reference, and matches, for each order."""

    name = "chrf"
    rank = 60
    label = "chrF2"
    higher_is_better = True
    ceiling = 100.0

    def make(self, language: str) -> CHRF:
        """Return sacreBLEU's metric, the same for every language."""
        from sacrebleu.metrics.chrf import CHRF  # noqa: PLC0415 - 0.15 s, when something is scored

        return CHRF()

    def raw_score(self, sums: FloatArray) -> FloatArray:
        """Return scores (...) of sums (..., 18)."""
        shape = sums.shape[:-1]
        precision, recall, orders = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        for order in range(ORDER):
            output, reference, matches = (sums[..., 3 * order + column] for column in range(3))
            both = (output > 0) & (reference > 0)
            precision += np.divide(matches, output, out=np.zeros(shape), where=both)
            recall += np.divide(matches, reference, out=np.zeros(shape), where=both)
            orders += both
        precision, recall = precision / np.maximum(orders, 1), recall / np.maximum(orders, 1)
        weight = BETA**2
        above, below = (1 + weight) * precision * recall, weight * precision + recall
        return 100 * np.divide(above, below, out=np.zeros(shape), where=below > 0)
