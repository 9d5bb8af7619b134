"""The verdict by score: texts that a person corrected, against the accepted run's own score."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from components.metrics.statistics.bootstrap import MIN_UTTERANCES, RESAMPLES, SEED, FloatArray
from components.metrics.statistics.corpus_statistics import text_statistics
from components.metrics.table import METRICS
from components.monitoring.drift.findings import ScoreVerdict
from components.monitoring.drift.profile import Profile


def judge(
    node: str,
    texts: Mapping[str, str],
    corrected: Mapping[str, str],
    languages: Mapping[str, str],
    accepted: Profile,
) -> ScoreVerdict | None:
    """Score a node's texts against their corrections, and compare with the accepted run; None of nothing.

    The interval is the middle 95% of the differences between bootstrap resamples of both, each of its own
    utterances: the two have none in common.
    """
    keys = [key for key in corrected if key in texts and corrected[key].strip()]
    table = text_statistics(
        {key: (corrected[key],) for key in keys},
        {key: texts[key] for key in keys},
        language={key: languages[key] for key in keys},
        n_total=len(keys),
        names=["wer"],
    ).get("wer")
    if table is None:
        return None
    verdict = ScoreVerdict(node=node, n=len(keys), wer=table.score(), verdict="no accepted score")
    before = _rows_of(accepted, node)
    if not len(before):
        return verdict
    wer = METRICS["wer"].score
    base = float(wer(before.sum(0)))
    update = {"accepted": base, "difference": verdict.wer - base, "verdict": "too few"}
    if len(keys) >= MIN_UTTERANCES:
        rng = np.random.default_rng(SEED)
        scores = [wer(_resample(rows, rng)) for rows in (table.rows, before)]
        low, high = np.percentile(scores[0] - scores[1], (2.5, 97.5)).tolist()
        update["interval"] = (low, high)
        update["verdict"] = "worse" if low > 0 else "better" if high < 0 else "not told apart"
    return verdict.model_copy(update=update)


def _resample(rows: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return sums (RESAMPLES, k) of as many rows (n, k), drawn with replacement."""
    counts = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=RESAMPLES)
    return np.asarray(counts @ rows, np.float64)


def _rows_of(profile: Profile, node: str) -> FloatArray:
    stage = profile.stage(node)
    rows = [row for row in stage.errors if row] if stage is not None else []
    return np.array(rows, np.float64)
