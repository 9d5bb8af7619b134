"""A metric: the share of transcripts with as many words as were said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from components.metrics.metric import Metric, Segments
from components.metrics.statistics.bootstrap import FloatArray


@dataclass(frozen=True)
class SameLength(Metric):
    """Percent of transcripts whose number of words is that of the reference."""

    name = "same_length"
    label = "same length"
    output = "transcript"
    needs = frozenset({"reference"})
    higher_is_better = True
    ceiling = 100.0

    @override
    def statistics(self, segments: Segments) -> FloatArray:
        pairs = zip(segments.hypotheses, segments.references, strict=True)
        hits = [len(text.split()) == len(references[0].split()) for text, references in pairs]
        return np.array([[float(hit), 1.0] for hit in hits]).reshape(-1, 2)

    @override
    def score(self, sums: FloatArray) -> FloatArray:
        return 100 * sums[..., 0] / sums[..., 1]

    @override
    def signature(self, segments: Segments) -> str:
        return "words:split|version:1"
