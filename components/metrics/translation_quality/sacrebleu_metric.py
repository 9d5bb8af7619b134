"""What BLEU, chrF and TER share: sacreBLEU's counts and signature (Post 2018).

Text is scored as it reads: cased and detokenized. Scores of sums are computed for many sums at once.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from components.metrics.languages import merge_signatures
from components.metrics.metric import Metric, Segments
from components.metrics.statistics.bootstrap import FloatArray

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric as SacreBleu


class SacreBleuMetric(Metric):
    """A metric of sacreBLEU. References that are empty are no references."""

    output = "translation"
    needs = frozenset({"reference"})

    @abstractmethod
    def make(self, language: str) -> SacreBleu:
        """Return sacreBLEU's metric, set up for a language of outputs."""

    @abstractmethod
    def raw_score(self, sums: FloatArray) -> FloatArray:
        """Return sacreBLEU's score; rounding may take it a little above the ceiling."""

    def score(self, sums: FloatArray) -> FloatArray:
        """Return scores (...) of sums (..., k), at most the ceiling."""
        scores = self.raw_score(sums)
        return np.minimum(scores, self.ceiling) if self.higher_is_better else scores

    def statistics(self, segments: Segments) -> FloatArray:
        """Return sacreBLEU's counts, each utterance under the tokenizer of its language."""
        rows: list[list[float]] = [[]] * len(segments)
        for language, positions in segments.positions_by_language().items():
            references = transpose_references([segments.references[n] for n in positions])
            hypotheses = [segments.hypotheses[n] for n in positions]
            counts = self.make(language)._extract_corpus_statistics(hypotheses, cast(Any, references))
            for position, row in zip(positions, counts, strict=True):
                rows[position] = row
        return np.asarray(rows, np.float64)

    def signature(self, segments: Segments) -> str:
        """Return sacreBLEU's signature, of each language where they differ."""
        signatures = {}
        for language, positions in segments.positions_by_language().items():
            metric = self.make(language)
            counts = {len(segments.references[n]) for n in positions}
            metric.num_refs = counts.pop() if len(counts) == 1 else -1
            signatures[language] = str(metric.get_signature())
        return merge_signatures(signatures)

    def select(self, segments: Segments) -> Segments:
        """Return the utterances with a reference that says something, without their empty references."""
        selected = super().select(segments)
        stated = tuple(tuple(text for text in texts if text.strip()) for texts in selected.references)
        return replace(selected, references=stated)


def transpose_references(references: Sequence[Sequence[str]]) -> list[list[str | None]]:
    """Return sacreBLEU's layout, (references, utterances), with None where an utterance has fewer."""
    most = max(map(len, references), default=0)
    return [[texts[n] if n < len(texts) else None for texts in references] for n in range(most)]
