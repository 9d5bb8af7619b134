"""The verdict by score: texts that a person corrected, against the accepted run's own score."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from components.metrics.statistics.bootstrap import MIN_UTTERANCES, SEED
from components.metrics.statistics.corpus_statistics import text_statistics
from components.metrics.table import METRICS
from components.monitoring.drift.conformal import FloatArray
from components.monitoring.drift.findings import ScoreVerdict
from components.monitoring.drift.profile import Profile

RESAMPLES = 10_000


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
    before = _rows_of(accepted, node)
    values: dict[str, object] = {"node": node, "n": len(keys), "wer": table.score()}
    empty = {"accepted": None, "difference": None, "interval": None}
    if not len(before):
        return ScoreVerdict.model_validate({**values, **empty, "verdict": "no accepted score"})
    wer = METRICS["wer"].score
    base = float(wer(before.sum(0)))
    values |= {"accepted": base, "difference": table.score() - base}
    if len(keys) < MIN_UTTERANCES:
        return ScoreVerdict.model_validate({**values, "interval": None, "verdict": "too few"})
    rng = np.random.default_rng(SEED)
    scores = [wer(_resample(rows, rng)) for rows in (table.rows, before)]
    low, high = np.percentile(scores[0] - scores[1], (2.5, 97.5))
    verdict = "worse" if low > 0 else "better" if high < 0 else "not told apart"
    return ScoreVerdict.model_validate({**values, "interval": (float(low), float(high)), "verdict": verdict})


def _resample(rows: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return sums (RESAMPLES, k) of as many rows (n, k), drawn with replacement."""
    counts = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=RESAMPLES)
    return np.asarray(counts @ rows, np.float64)


def _rows_of(profile: Profile, node: str) -> FloatArray:
    stage = next((each for each in profile.stages if each.stage == node), None)
    rows = [row for row in stage.errors if row] if stage is not None else []
    return np.array(rows, np.float64)
