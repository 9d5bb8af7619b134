"""DER: the share of speech, by time, that is missed, invented, or given to the wrong speaker (NIST 2009).

Speakers of the output are matched with those of the reference so that most time agrees. There is no collar
around the borders of turns, and overlapping speech counts for each of its speakers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from components.metrics.error_rates.turns import Turn
from components.metrics.metric import Metric, Segments
from components.metrics.statistics.bootstrap import FloatArray


class DiarizationErrorRate(Metric):
    """Statistics are the seconds that are wrong, and those of reference speech, of each recording."""

    name, label, rank = "der", "DER", 42
    output = "transcript"
    needs = frozenset({"reference", "speakers"})
    higher_is_better = False
    ceiling = 0.0
    sentence_metric = "wer"
    of_recordings = True
    is_utility = False

    def score(self, sums: FloatArray) -> FloatArray:
        """Return rates (...) in percent of sums (..., 2)."""
        return 100.0 * (sums[..., 0] / np.maximum(sums[..., 1], 1e-9))

    def select(self, segments: Segments) -> Segments:
        """Return the recordings whose reference has speakers."""
        whole = segments.recordings
        if whole is None:
            return segments.subset([])
        return whole.subset([n for n, (reference, _) in enumerate(whole.turns) if reference])

    def statistics(self, segments: Segments) -> FloatArray:
        """Return seconds that are wrong and seconds of reference speech (n, 2)."""
        return np.asarray([count_seconds(*sides) for sides in segments.turns], np.float64).reshape(-1, 2)

    def signature(self, segments: Segments) -> str:
        """Return that there is no collar, and that overlaps count."""
        return "der|by time|collar:0|overlap:yes"


def count_seconds(reference: Sequence[Turn], output: Sequence[Turn]) -> tuple[float, float]:
    """Return the seconds of one recording that are wrong, and those of reference speech."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - only where there are speakers

    names = [sorted({turn.speaker for turn in turns}) for turns in (reference, output)]
    together = np.zeros((len(names[0]), len(names[1])))
    speech = worst = 0.0
    for seconds, speaking, heard in _stretches(reference, output):
        speech += seconds * len(speaking)
        worst += seconds * max(len(speaking), len(heard))
        for speaker in speaking:
            for other in heard:
                together[names[0].index(speaker), names[1].index(other)] += seconds
    rows, columns = linear_sum_assignment(-together)
    return worst - float(together[rows, columns].sum()), speech


def _stretches(
    reference: Sequence[Turn], output: Sequence[Turn]
) -> Iterator[tuple[float, set[str], set[str]]]:
    """Yield the stretches in which nobody begins or ends: their seconds, and who speaks on either side."""
    borders = sorted({time for turn in (*reference, *output) for time in (turn.start, turn.end)})
    for start, end in pairwise(borders):
        speaking, heard = (
            {turn.speaker for turn in turns if turn.start <= start and turn.end >= end}
            for turns in (reference, output)
        )
        if speaking or heard:
            yield end - start, speaking, heard
