"""Examples to fit an estimator on: features of texts, and how good the texts are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from components.confidence.estimators.config import EstimatorConfig, TargetName
from components.confidence.estimators.targets import TARGETS, Output, targets_of
from components.confidence.word_labels import label_words
from components.errors import DataError
from components.metrics.metric import Segments
from components.metrics.normalizers import normalizer_for
from components.metrics.table import get_metric


@dataclass(frozen=True)
class TextFeatures:
    """The features of one text and of its words, one entry per word of ``text.split()``."""

    text: Mapping[str, float]
    words: Sequence[Mapping[str, float]] = ()

    def word_rows(self) -> list[dict[str, float]]:
        """Return the features of each word with those of its text, as ``text.NAME``."""
        of_text = {f"text.{name}": value for name, value in self.text.items()}
        return [{**word, **of_text} for word in self.words]


@dataclass(frozen=True)
class Example:
    """A text with what it should have been.

    Attributes:
        id: of the utterance.
        text: the best hypothesis.
        references: one transcript, or translations.
        language: of the text.
        features: of the text.
        gold_text: what the same system gives for the reference transcript, where that is known.
        fingerprint: of the utterance, by :mod:`.seen`.
    """

    id: str
    text: str
    references: tuple[str, ...]
    language: str
    features: TextFeatures
    gold_text: str | None = None
    fingerprint: str = ""


@dataclass
class LabeledRows:
    """What one target is fitted on.

    Attributes:
        rows: features of the examples.
        values: their true values.
        groups: what they belong to; a group is never divided between folds. Utterances of one reference, such
            as one sentence of two speakers, are a group.
    """

    rows: list[Mapping[str, float]] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


def label_examples(
    examples: Sequence[Example], output: Output, config: EstimatorConfig
) -> tuple[dict[TargetName, LabeledRows], float | None]:
    """Return the rows of every target, and the chrF below which a translation counts as bad, if one does.

    Raises:
        DataError: of translations against gold: an example has no text to compare with.
    """
    names = config.targets or targets_of(output)
    measure = {"transcript": _measure_transcripts, "translation": _measure_translations}[output]
    values, threshold = measure(examples, config)
    labeled = {name: LabeledRows() for name in names}
    for name, rows in labeled.items():
        for example in examples:
            if TARGETS[name].per_word:
                _add_words(rows, example, config)
            elif example.id in values.get(name, {}):
                rows.rows.append(example.features.text)
                rows.values.append(values[name][example.id])
                rows.groups.append(_group_of(example))
    return labeled, threshold


def _add_words(labeled: LabeledRows, example: Example, config: EstimatorConfig) -> None:
    normalizer = normalizer_for(example.language, config.normalizer)
    labels = label_words(example.text, example.references[0], normalizer)
    rows = example.features.word_rows()
    if len(rows) == len(labels):
        labeled.rows += rows
        labeled.values += map(float, labels)
        labeled.groups += [_group_of(example)] * len(labels)


def _group_of(example: Example) -> str:
    return " ".join(example.references[0].lower().split())


Values = dict[TargetName, dict[str, float]]


def _measure_transcripts(examples: Sequence[Example], config: EstimatorConfig) -> tuple[Values, None]:
    rates = get_metric("wer", config.normalizer).sentence_scores(_segments(examples))
    return {"p_correct": {key: float(r == 0) for key, r in rates.items()}, "expected_wer": rates}, None


def _measure_translations(
    examples: Sequence[Example], config: EstimatorConfig
) -> tuple[Values, float | None]:
    chrf = get_metric("chrf")
    scores = chrf.sentence_scores(_segments(examples))
    threshold: float | None = None
    if config.against_gold:
        golds = [example.gold_text for example in examples]
        if None in golds:
            raise DataError("against_gold: expected a text of the last node for every utterance, found less")
        ideal = chrf.sentence_scores(_segments(examples, [str(gold) for gold in golds]))
        bad = {key: float(ideal[key] - score > config.bad_chrf) for key, score in scores.items()}
    else:
        threshold = float(np.mean(list(scores.values()))) - config.bad_chrf
        bad = {key: float(score < threshold) for key, score in scores.items()}
    return {"p_bad": bad, "expected_chrf": scores}, threshold


def _segments(examples: Sequence[Example], texts: Sequence[str] | None = None) -> Segments:
    return Segments(
        ids=tuple(example.id for example in examples),
        hypotheses=tuple(texts or [example.text for example in examples]),
        languages=tuple(example.language for example in examples),
        references=tuple(example.references for example in examples),
    )
