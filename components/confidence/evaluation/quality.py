"""How good the confidences of a node's texts are: a record per outcome and signal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from components.confidence.evaluation.calibration import (
    BINS,
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
from components.confidence.evaluation.outcomes import (
    BAD_CHRF,
    OUTCOMES,
    RAW,
    OutcomeName,
    signals_of_text,
    signals_of_words,
)
from components.confidence.evaluation.trials import Resampled, Trials
from components.confidence.word_labels import label_words
from components.languages import without_spaces
from components.metrics.bootstrap import PROTOCOL, Estimate, FloatArray
from components.metrics.metric import Output, Segments
from components.metrics.normalizers import BY_LANGUAGE, normalizer_for
from components.metrics.table import get_metric
from components.records import Hypothesis, Record


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
        measures: by name, see MEASURES; those that are not defined are left out.
        reliability: of probabilities.
        curve: risk over coverage.
        signature: how the numbers were made.
    """

    node: str
    outcome: OutcomeName
    signal: str
    n: int
    n_total: int
    n_utterances: int
    mean_loss: float
    measures: dict[str, Estimate]
    reliability: tuple[ReliabilityBin, ...] = ()
    curve: RiskCoverage
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


@dataclass(frozen=True)
class ScoredText:
    """A text beside its references, all in one language."""

    id: str
    best: Hypothesis
    references: tuple[str, ...]
    language: str


def measure_quality(
    node: str,
    texts: Sequence[ScoredText],
    output: Output,
    normalizer: str = BY_LANGUAGE,
    further: Mapping[str, Mapping[str, float]] | None = None,
    *,
    estimated_only: bool = False,
) -> list[SignalQuality]:
    """Measure every signal that the texts have against every outcome that can be judged.

    Args:
        node: whose texts they are.
        texts: best hypotheses with references.
        output: which texts they are.
        normalizer: of transcripts.
        further: score -> utterance id -> number, higher is better: sentence scores that signals of whole texts
            are correlated with, too.
        estimated_only: leave out outcomes that no estimate predicts, where the raw signal would stand alone.
    """
    judged = _judge(texts, output, normalizer)
    qualities: list[SignalQuality] = []
    for name in (name for name, row in OUTCOMES.items() if row.of == output):
        table = _word_table(texts, normalizer) if name == "word" else _text_table(texts, name, judged)
        if table.loss.size and not (estimated_only and np.isnan(table.signals[OUTCOMES[name].estimate]).all()):
            qualities += _measure_table(node, name, table, _scores(texts, judged, further or {}), normalizer)
    return qualities


class _Judged(NamedTuple):
    """Of utterances by id: the sentence score (WER or chrF), and the loss of each outcome of whole texts."""

    metric: str
    scores: dict[str, float]
    losses: dict[str, dict[str, float]]


class _Table(NamedTuple):
    """The trials of an outcome before it is known which have which signal; NaN is none."""

    loss: FloatArray
    utterance: np.ndarray[tuple[int], np.dtype[np.intp]]
    n_utterances: int
    signals: dict[str, FloatArray]


def _judge(texts: Sequence[ScoredText], output: Output, normalizer: str) -> _Judged:
    name = "wer" if output == "transcript" else "chrf"
    segments = Segments(
        ids=tuple(text.id for text in texts),
        hypotheses=tuple(text.best.text for text in texts),
        languages=tuple(text.language for text in texts),
        references=tuple(text.references for text in texts),
    )
    scores = get_metric(name, normalizer).sentence_scores(segments)
    if name == "wer":
        silent = [text for text in texts if text.id not in scores]  # right only if nothing was recognized
        clean = {key: float(rate > 0) for key, rate in scores.items()}
        clean |= {text.id: float(bool(text.best.text.strip())) for text in silent}
        return _Judged(name, scores, {"utterance": clean, "wer": scores})
    threshold = float(np.mean(list(scores.values()) or [0.0])) - BAD_CHRF
    bad = {key: float(score < threshold) for key, score in scores.items()}
    return _Judged(name, scores, {"bad": bad, "chrf": {key: 100 - score for key, score in scores.items()}})


def _scores(
    texts: Sequence[ScoredText], judged: _Judged, further: Mapping[str, Mapping[str, float]]
) -> dict[str, FloatArray]:
    """Sentence scores (texts) by the suffix of their correlations; higher is better, NaN is none."""
    sign = -1 if judged.metric == "wer" else 1
    own = {key: sign * score for key, score in judged.scores.items()}
    return {
        suffix: np.array([scores.get(text.id, np.nan) for text in texts])
        for suffix, scores in {"": own, **{f" {name}": each for name, each in further.items()}}.items()
    }


def _word_table(texts: Sequence[ScoredText], normalizer: str) -> _Table:
    loss: list[float] = []
    utterance: list[int] = []
    signals: dict[str, list[float | None]] = {OUTCOMES["word"].estimate: [], RAW: []}
    for number, text in enumerate(texts):
        if without_spaces(text.language):
            continue
        labels = label_words(
            text.best.text, text.references[0], normalizer_for(text.language, normalizer)
        )
        loss += [1.0 - label for label in labels]
        utterance += [number] * len(labels)
        for name, values in signals_of_words(text.best).items():
            signals[name] += values
    return _Table(
        np.array(loss), np.array(utterance, np.intp), len(texts), {n: _numbers(v) for n, v in signals.items()}
    )


def _text_table(texts: Sequence[ScoredText], name: OutcomeName, judged: _Judged) -> _Table:
    losses = judged.losses[name]
    numbers = [number for number, text in enumerate(texts) if text.id in losses]
    signals = [signals_of_text(texts[number].best, OUTCOMES[name]) for number in numbers]
    return _Table(
        np.array([losses[texts[number].id] for number in numbers]),
        np.array(numbers, np.intp),
        len(texts),
        {signal: _numbers([each[signal] for each in signals]) for signal in (OUTCOMES[name].estimate, RAW)},
    )


def _numbers(values: Sequence[float | None]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _measure_table(
    node: str, name: OutcomeName, table: _Table, scores: Mapping[str, FloatArray], normalizer: str
) -> Iterator[SignalQuality]:
    aurocs: dict[str, tuple[bytes, Resampled]] = {}
    rows = []
    for signal, values in table.signals.items():
        has = ~np.isnan(values)
        if not has.any():
            continue
        trials = Trials(values[has], table.loss[has], table.utterance[has], table.n_utterances)
        resampled = _measure(trials, is_class=OUTCOMES[name].is_class)
        if "auroc" in resampled:
            aurocs[signal] = has.tobytes(), resampled["auroc"]
        measures = {key: each for key, value in resampled.items() if (each := value.estimate()) is not None}
        if name != "word":
            measures |= _correlate(trials, scores)
        rows.append((signal, trials, measures))
    for signal, trials, measures in rows:
        raw, own = aurocs.get(RAW), aurocs.get(signal)
        if signal != RAW and raw and own and raw[0] == own[0] and (gain := own[1].minus(raw[1]).estimate()):
            measures["auroc_gain"] = gain
        is_probability = OUTCOMES[name].is_class and trials.has_probabilities
        yield SignalQuality(
            node=node,
            outcome=name,
            signal=signal,
            n=len(trials.loss),
            n_total=len(table.loss),
            n_utterances=table.n_utterances,
            mean_loss=float(trials.loss.mean()),
            measures=measures,
            reliability=reliability_bins(trials) if is_probability else (),
            curve=risk_coverage_curve(trials),
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
        found = correlate(trials.confidence[scored], own[scored]) if scored.sum() > 1 else {}
        measures |= {f"{name}{suffix}": estimate for name, estimate in found.items()}
    return measures


def _sign(name: OutcomeName, normalizer: str) -> str:
    judged = f"norm:{normalizer}" if OUTCOMES[name].of == "transcript" else "chrf"
    bins = f"|bins:{BINS} of equal mass" if OUTCOMES[name].is_class else ""
    return f"{name}|{judged}{bins}|{PROTOCOL}|by utterance"
