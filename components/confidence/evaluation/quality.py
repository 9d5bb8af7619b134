"""How good the confidences of a node's texts are: a record per outcome and signal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from components.confidence.evaluation.calibration import (
    BINS,
    MIN_BINS,
    MIN_IN_BIN,
    ReliabilityBin,
    measure_calibration,
    reliability_bins,
)
from components.confidence.evaluation.correlation import correlate
from components.confidence.evaluation.discrimination import (
    RiskCoverage,
    measure_discrimination,
    risk_coverage_curve,
)
from components.confidence.evaluation.outcomes import OUTCOMES, RAW, OutcomeName
from components.confidence.evaluation.threshold import Threshold, find_threshold
from components.confidence.evaluation.trial_tables import (
    ScoredText,
    TrialTable,
    judge_sentences,
    list_scores,
    tabulate_texts,
    tabulate_words,
)
from components.confidence.evaluation.trials import Resampled, Trials
from components.metrics.metric import Output
from components.metrics.normalizers import BY_LANGUAGE
from components.metrics.statistics.bootstrap import PROTOCOL, Estimate, FloatArray
from components.records import Record

VERSION = 6
"""Version of what is measured; changes with its numbers."""


class SignalQuality(Record):
    """How good one signal of a node's texts is at predicting one outcome.

    Attributes:
        node: whose texts.
        outcome: a row of OUTCOMES.
        signal: the estimate, or the raw log-probability.
        n: trials (words, or utterances) that have the signal.
        n_total: trials that were judged.
        n_utterances: utterances that were scored.
        mean_loss: share of trials that are wrong, or the mean WER or 100 - chrF.
        measures: by name, see MEASURES; those that are not defined are left out. None for ``ece`` where
            fewer than MIN_BINS bins have trials.
        reliability: of probabilities.
        curve: risk over coverage.
        threshold: from which on enough is right; None where it cannot be told, or is not needed.
        signature: how the numbers were made.
    """

    node: str
    outcome: OutcomeName
    signal: str
    n: int
    n_total: int
    n_utterances: int
    mean_loss: float
    measures: dict[str, Estimate | None]
    reliability: tuple[ReliabilityBin, ...] = ()
    curve: RiskCoverage
    threshold: Threshold | None = None
    signature: str


MEASURES: dict[str, str] = {
    "ece": "ECE",
    "nce": "NCE",
    "brier": "Brier",
    "auroc": "AUROC",
    "auroc_gain": "AUROC above raw",
    "auprc": "AUPRC of errors",
    "aurc": "AURC",
    "eaurc": "E-AURC",
    "kendall": "Kendall",
    "pearson": "Pearson",
}
"""Measure -> its name in tables, in their order."""


def measure_quality(
    node: str,
    texts: Sequence[ScoredText],
    output: Output,
    normalizer: str = BY_LANGUAGE,
    further: Mapping[str, Mapping[str, float]] | None = None,
    bad_below: float | None = None,
    *,
    estimated_only: bool = False,
) -> list[SignalQuality]:
    """Measure every signal that the texts have against every outcome that can be judged.

    Args:
        node: whose texts they are.
        texts: best hypotheses with references.
        output: which texts they are.
        normalizer: of transcripts.
        further: score -> utterance id -> number, higher is better: other sentence scores that signals of
            whole texts are correlated with.
        bad_below: chrF below which a translation is bad; some points below the mean if None.
        estimated_only: leave out outcomes that no estimate predicts, where the raw signal would stand alone.
    """
    judged = judge_sentences(texts, output, normalizer, bad_below)
    scores = list_scores(texts, judged, further or {})
    qualities: list[SignalQuality] = []
    for name in (name for name, row in OUTCOMES.items() if row.of == output):
        table = tabulate_words(texts, normalizer) if name == "word" else tabulate_texts(texts, name, judged)
        is_estimated = not np.isnan(table.signals[OUTCOMES[name].estimate]).all()
        if table.loss.size and (is_estimated or not estimated_only):
            qualities += _measure_table(node, name, table, scores, normalizer)
    return qualities


def _measure_table(
    node: str, name: OutcomeName, table: TrialTable, scores: Mapping[str, FloatArray], normalizer: str
) -> Iterator[SignalQuality]:
    aurocs: dict[str, tuple[bytes, Resampled]] = {}
    rows: list[tuple[str, Trials, dict[str, Estimate | None]]] = []
    for signal, values in table.signals.items():
        has = ~np.isnan(values)
        if not has.any():
            continue
        trials = Trials(values[has], table.loss[has], table.utterance[has], table.n_utterances)
        resampled = _measure(trials, is_class=OUTCOMES[name].is_class)
        if "auroc" in resampled:
            aurocs[signal] = has.tobytes(), resampled["auroc"]
        measures: dict[str, Estimate | None] = {
            key: each for key, value in resampled.items() if (each := value.estimate()) is not None
        }
        if name != "word":
            measures |= _correlate(trials, scores)
        rows.append((signal, trials, measures))
    for signal, trials, measures in rows:
        raw, own = aurocs.get(RAW), aurocs.get(signal)
        if signal != RAW and raw and own and raw[0] == own[0] and (gain := own[1].minus(raw[1]).estimate()):
            measures["auroc_gain"] = gain
        is_probability = OUTCOMES[name].is_class and trials.has_probabilities
        reliability = reliability_bins(trials) if is_probability else ()
        if is_probability and len(reliability) < MIN_BINS:
            measures["ece"] = None
        yield SignalQuality(
            node=node,
            outcome=name,
            signal=signal,
            n=len(trials.loss),
            n_total=len(table.loss),
            n_utterances=table.n_utterances,
            mean_loss=float(trials.loss.mean()),
            measures=measures,
            reliability=reliability,
            curve=risk_coverage_curve(trials),
            threshold=find_threshold(trials) if is_probability else None,
            signature=_sign(name, normalizer),
        )


def _measure(trials: Trials, *, is_class: bool) -> dict[str, Resampled]:
    measures = measure_discrimination(trials)
    if not is_class:
        return {key: measures[key] for key in ("aurc", "eaurc")}
    return (measure_calibration(trials) if trials.has_probabilities else {}) | measures


def _correlate(trials: Trials, scores: Mapping[str, FloatArray]) -> dict[str, Estimate]:
    measures: dict[str, Estimate] = {}
    for suffix, values in scores.items():
        own = values[trials.utterance]
        scored = ~np.isnan(own)
        estimates = correlate(trials.confidence[scored], own[scored]) if scored.sum() > 1 else {}
        measures |= {f"{name}{suffix}": estimate for name, estimate in estimates.items()}
    return measures


def _sign(name: OutcomeName, normalizer: str) -> str:
    judged = f"norm:{normalizer}" if OUTCOMES[name].of == "transcript" else "chrf"
    bins = f"|bins:{BINS} of equal mass, {MIN_IN_BIN} and more in each" if OUTCOMES[name].is_class else ""
    return f"{name}|{judged}{bins}|{PROTOCOL}|by utterance"
