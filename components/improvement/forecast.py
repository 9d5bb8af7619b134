"""What a remedy promises, from a probe of the data, and whether the rest kept that promise.

The gain on the utterances of a probe, drawn at random, forecasts the gain on all others. Its prediction
interval has the variance of both: with a standard error s on n utterances it is
gain +- t(n - 1) s sqrt(1 + n / m) for m others (Student's t; s is that of paired bootstrap resamples, times
sqrt(n / (n - 1))). Of 30 utterances such intervals hold in 9 of 10 cases rather than in 19 of 20. The best of
several probes is chosen for being best, so its forecast is optimistic; the measurement on the rest is not.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from components.errors import DataError
from components.metrics.metric import align_segments
from components.metrics.scoring_units import ScoringUnits
from components.metrics.statistics.bootstrap import Estimate, FloatArray, bootstrap_interval
from components.metrics.statistics.corpus_statistics import CorpusStatistics, draw_together, measure
from components.metrics.table import get_metric
from components.records import Record, Utterance
from components.text.languages import UNDETERMINED

CONFIDENCE = 0.95
"""Of every interval."""
Verdict = Literal["held", "better", "worse", "not tested"]


class GainForecast(Record):
    """What a remedy promises.

    Attributes:
        gain: on the probe, in points of the metric, with its bootstrap interval.
        low, high: prediction interval of the gain on the other utterances; None where there are none, or the
            probe is too small or has no change to tell how much gains vary.
        seconds: of computing what the remedy changes, for all utterances.
    """

    gain: Estimate
    low: float | None
    high: float | None
    seconds: float


class RemedyResult(Record):
    """One remedy for one run.

    Attributes:
        remedy: its name.
        summary: what it does, in a line.
        mends: what it works on.
        bound: what is lost where it works: it cannot gain more; None where no stage has a part in it.
        seconds: of computing it for all utterances, as past stages say; None where there are none,
            or too few in the probe.
        status: missing (it cannot be had), untried (no time for a probe), tried, or run (for all utterances).
        missing: why it cannot be had, or why its probe failed.
        forecast: where it was tried.
    """

    remedy: str
    summary: str
    mends: str
    bound: Estimate | None
    seconds: float | None = None
    status: Literal["missing", "untried", "tried", "run"]
    missing: str = ""
    forecast: GainForecast | None = None


class Improvement(Record):
    """The remedies of a run, and what became of the best.

    Attributes:
        metric: that gains are counted in; more is better.
        score: of the run, on all utterances.
        attempts: every remedy.
        probe: how many utterances the remedies were tried on.
        n: utterances that are scored.
        budget: seconds that were allowed; None where nothing was to be tried.
        spent: seconds of all probes and the run.
        gain: of the chosen remedy on the utterances that are not in the probe.
        verdict: whether its forecast held there.
        improved: score of the chosen remedy on all utterances.
        signature: of the metric.
    """

    metric: str
    score: Estimate
    attempts: tuple[RemedyResult, ...]
    probe: int
    n: int
    budget: float | None
    spent: float
    gain: Estimate | None = None
    verdict: Verdict | None = None
    improved: Estimate | None = None
    signature: str


class Measured(NamedTuple):
    """Statistics of systems over the same texts, by system, and the ids that are of the probe."""

    tables: Mapping[str, CorpusStatistics]
    inside: frozenset[str]

    def on_probe(self, system: str) -> CorpusStatistics:
        """Return the statistics of a system on the probe."""
        return self.tables[system].subset(key for key in self.tables[system].ids if key in self.inside)

    def elsewhere(self, system: str) -> CorpusStatistics:
        """Return the statistics of a system on all other utterances."""
        return self.tables[system].subset(key for key in self.tables[system].ids if key not in self.inside)


def measure_outputs(
    utterances: Sequence[Utterance],
    outputs: Mapping[str, Mapping[str, str]],
    metric: str,
    target: str | None,
    probe: Collection[str],
) -> Measured:
    """Return the statistics of translations, over the utterances that all systems have.

    Args:
        utterances: of the data set.
        outputs: system -> utterance id -> text.
        metric: a name of :data:`~components.metrics.table.METRICS`.
        target: language of the outputs; the utterances' own if None.
        probe: ids of its utterances.

    Raises:
        DataError: nothing has a reference and all outputs.
    """
    shared = set.intersection(*(set(texts) for texts in outputs.values()))
    scored = [utterance for utterance in utterances if any(utterance.references) and utterance.id in shared]
    languages = {u.id: target or u.target_language or UNDETERMINED for u in scored}
    units = ScoringUnits(scored, "translation", languages)
    references = {key: texts for key, texts in units.references.items() if any(texts)}
    tables = {}
    for system, texts in outputs.items():
        split = units.split({utterance.id: texts[utterance.id] for utterance in scored})
        segments = align_segments(references, split, units.languages, len(references))
        table = measure(get_metric(metric), segments, len(references))
        if table is None:
            raise DataError(f"improve: expected translations with a reference for {metric}, found none")
        tables[system] = table
    return Measured(tables, frozenset(units.ids_of(u.id for u in scored if u.id in probe)))


def estimate_gain(base: CorpusStatistics, changed: CorpusStatistics) -> tuple[Estimate, float]:
    """Return the gain of a changed output over the same utterances, and its standard error, NaN of few."""
    if base.ids != changed.ids:
        raise DataError("expected two outputs of the same utterances, found different ones")
    draw_together((base, changed))
    gain = changed.score() - base.score()
    resampled: FloatArray = changed.resampled_scores - base.resampled_scores
    error = float(np.std(resampled, ddof=1)) if resampled.size else math.nan
    return Estimate(value=gain, interval=bootstrap_interval(resampled, gain)), error


def estimate_score(table: CorpusStatistics) -> Estimate:
    """Return a score with its bootstrap interval."""
    value = table.score()
    return Estimate(value=value, interval=bootstrap_interval(table.resampled_scores, value))


def forecast_gain(
    base: CorpusStatistics, changed: CorpusStatistics, others: int, seconds: float
) -> GainForecast:
    """Forecast the gain on ``others`` further utterances from that on a probe.

    Args:
        base: output of the run on the probe.
        changed: output of the remedy on the probe.
        others: how many utterances are scored besides.
        seconds: that the remedy takes for all utterances.
    """
    from scipy.stats import t as student  # noqa: PLC0415 - half a second, in every flow

    gain, error = estimate_gain(base, changed)
    if not others or not error > 0:
        return GainForecast(gain=gain, low=None, high=None, seconds=seconds)
    n = len(base.ids)
    quantile = float(student.ppf((1 + CONFIDENCE) / 2, max(1, n - 1)))
    margin = quantile * error * math.sqrt(n / max(1, n - 1) * (1 + n / others))
    return GainForecast(gain=gain, low=gain.value - margin, high=gain.value + margin, seconds=seconds)


def judge(forecast: GainForecast, gain: Estimate | None) -> Verdict:
    """Return whether a gain that was measured later is in the interval that was forecast."""
    if gain is None or forecast.low is None or forecast.high is None:
        return "not tested"
    if gain.value < forecast.low:
        return "worse"
    return "better" if gain.value > forecast.high else "held"


def choose(attempts: Mapping[str, GainForecast], seconds_left: float) -> str | None:
    """Return the remedy with the largest gain that can be computed in the time left; None if none gains."""
    affordable = {
        name: forecast
        for name, forecast in attempts.items()
        if forecast.seconds <= seconds_left and forecast.gain.value > 0
    }
    return max(affordable, key=lambda name: affordable[name].gain.value, default=None)
