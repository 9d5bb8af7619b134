"""Texts beside their references as trials: what became of every word and text, and which signals it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.confidence.evaluation.outcomes import (
    BAD_CHRF,
    OUTCOMES,
    RAW,
    OutcomeName,
    signals_of_text,
    signals_of_words,
)
from components.confidence.word_labels import label_words
from components.metrics.error_rates.error_rate import normalize_segments
from components.metrics.metric import Output, Segments
from components.metrics.normalizers import normalizer_for
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.table import get_metric
from components.records import Hypothesis
from components.text.languages import without_spaces


@dataclass(frozen=True)
class ScoredText:
    """A text beside its references, all in one language."""

    id: str
    best: Hypothesis
    references: tuple[str, ...]
    language: str


class SentenceOutcomes(NamedTuple):
    """Of utterances by id: the sentence score (WER or chrF), and the loss of each outcome of whole texts."""

    metric: str
    scores: dict[str, float]
    losses: dict[str, dict[str, float]]


class TrialTable(NamedTuple):
    """The trials of an outcome before it is known which have which signal; NaN is none."""

    loss: FloatArray
    utterance: NDArray[np.intp]
    n_utterances: int
    signals: dict[str, FloatArray]


def judge_sentences(
    texts: Sequence[ScoredText], output: Output, normalizer: str, bad_below: float | None = None
) -> SentenceOutcomes:
    """Return what became of whole texts: how many errors they have, or how good a translation is.

    A transcript of nothing has no error if it is empty, as it is counted; it has no WER.
    """
    name = "wer" if output == "transcript" else "chrf"
    segments = Segments(
        ids=tuple(text.id for text in texts),
        hypotheses=tuple(text.best.text for text in texts),
        languages=tuple(text.language for text in texts),
        references=tuple(text.references for text in texts),
    )
    scores = get_metric(name, normalizer).sentence_scores(segments)
    if name == "wer":
        silent = segments.subset([n for n, text in enumerate(texts) if text.id not in scores])
        _, written = normalize_segments(silent, normalizer)
        clean = {key: float(rate > 0) for key, rate in scores.items()}
        clean |= {key: float(bool(text)) for key, text in zip(silent.ids, written, strict=True)}
        return SentenceOutcomes(name, scores, {"utterance": clean, "wer": scores})
    mean = float(np.mean(list(scores.values()) or [0.0]))
    threshold = mean - BAD_CHRF if bad_below is None else bad_below
    bad = {key: float(score < threshold) for key, score in scores.items()}
    lost = {key: 100 - score for key, score in scores.items()}
    return SentenceOutcomes(name, scores, {"bad": bad, "chrf": lost})


def list_scores(
    texts: Sequence[ScoredText], judged: SentenceOutcomes, further: Mapping[str, Mapping[str, float]]
) -> dict[str, FloatArray]:
    """Return sentence scores (texts) by the suffix of their correlations; higher is better, NaN is none."""
    sign = -1 if judged.metric == "wer" else 1
    own = {key: sign * score for key, score in judged.scores.items()}
    return {
        suffix: np.array([scores.get(text.id, np.nan) for text in texts])
        for suffix, scores in {"": own, **{f" {name}": each for name, each in further.items()}}.items()
    }


def tabulate_words(texts: Sequence[ScoredText], normalizer: str) -> TrialTable:
    """Return a trial per word; none of languages that are written without spaces."""
    loss: list[float] = []
    utterance: list[int] = []
    signals: dict[str, list[float | None]] = {OUTCOMES["word"].estimate: [], RAW: []}
    for number, text in enumerate(texts):
        if without_spaces(text.language):
            continue
        labels = label_words(text.best.text, text.references[0], normalizer_for(text.language, normalizer))
        loss += [1.0 - label for label in labels]
        utterance += [number] * len(labels)
        for name, values in signals_of_words(text.best).items():
            signals[name] += values
    return TrialTable(
        np.array(loss), np.array(utterance, np.intp), len(texts), {n: _numbers(v) for n, v in signals.items()}
    )


def tabulate_texts(texts: Sequence[ScoredText], name: OutcomeName, judged: SentenceOutcomes) -> TrialTable:
    """Return a trial per text whose outcome is known."""
    losses = judged.losses[name]
    numbers = [number for number, text in enumerate(texts) if text.id in losses]
    signals = [signals_of_text(texts[number].best, OUTCOMES[name]) for number in numbers]
    return TrialTable(
        np.array([losses[texts[number].id] for number in numbers]),
        np.array(numbers, np.intp),
        len(texts),
        {signal: _numbers([each[signal] for each in signals]) for signal in (OUTCOMES[name].estimate, RAW)},
    )


def _numbers(values: Sequence[float | None]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in values], np.float64)
