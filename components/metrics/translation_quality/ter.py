"""Translation edit rate: edits and shifts of phrases per reference word (Snover et al. 2006), by sacreBLEU.

It takes some milliseconds a sentence: leave it out where many systems are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.translation_quality.sacrebleu_metric import SacreBleuMetric
from components.text.languages import without_spaces

if TYPE_CHECKING:
    from sacrebleu.metrics.ter import TER


@dataclass(frozen=True)
class TranslationEditRate(SacreBleuMetric):
    """TER in percent; statistics are edits against the nearest reference, and the references' mean length."""

    name = "ter"
    rank = 70
    label = "TER"
    higher_is_better = False
    ceiling = 0.0
    sentence_metric = "chrf"

    def make(self, language: str) -> TER:
        """Return sacreBLEU's metric; languages without spaces are cut into characters."""
        from sacrebleu.metrics.ter import TER  # noqa: PLC0415 - 0.15 s, when something is scored

        asian = without_spaces(language)
        return TER(normalized=asian, asian_support=asian)

    def raw_score(self, sums: FloatArray) -> FloatArray:
        """Return scores (...) of sums (..., 2); 100 for words where the reference has none."""
        edits, length = sums[..., 0], sums[..., 1]
        share = np.divide(edits, length, out=np.asarray(edits > 0, np.float64), where=length > 0)
        return 100 * share
