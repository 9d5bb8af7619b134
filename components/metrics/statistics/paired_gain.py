"""The gain of one output over another on the same utterances."""

from __future__ import annotations

from components.errors import DataError
from components.metrics.statistics.bootstrap import Estimate, FloatArray, bootstrap_interval
from components.metrics.statistics.corpus_statistics import CorpusStatistics, draw_together


def paired_gain(changed: CorpusStatistics, written: CorpusStatistics) -> tuple[Estimate, FloatArray]:
    """Return the gain of an output over another, on the utterances that both have, and its paired resamples.

    Raises:
        DataError: they have none in common.
    """
    shared = set(changed.ids) & set(written.ids)
    if not shared:
        raise DataError("expected two outputs of the same utterances, found different ones")
    changed = changed.subset(key for key in changed.ids if key in shared)
    written = written.subset(changed.ids)
    draw_together((written, changed))
    sign = 1 if changed.metric.higher_is_better else -1
    gain = sign * (changed.score() - written.score())
    resampled: FloatArray = sign * (changed.resampled_scores - written.resampled_scores)
    return Estimate(value=gain, interval=bootstrap_interval(resampled, gain)), resampled
