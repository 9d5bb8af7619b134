"""What confidences predict: the outcomes, and the signals that are measured against each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from components.confidence.word_tokens import tokens_of_words
from components.metrics.metric import Output
from components.records import Hypothesis
from components.text.text_confidence import confidence_of

OutcomeName = Literal["word", "utterance", "wer", "bad", "chrf"]
RAW = "log-probability"
"""The raw signal beside every estimate: e to the mean log-probability of the tokens of a word or a text."""
BAD_CHRF = 10.0
"""A translation is bad below the chrF that its estimator states, else so far below the mean of the data."""


@dataclass(frozen=True)
class Outcome:
    """A row of the table.

    Attributes:
        label: what is predicted, for tables.
        of: which texts.
        estimate: name of what an estimator says of it.
        is_class: whether it is right or wrong; else an amount, in percent.
        to_confidence: turns the estimate into a number that is higher the surer.
    """

    label: str
    of: Output
    estimate: str
    is_class: bool
    to_confidence: Callable[[float], float] = float


OUTCOMES: dict[OutcomeName, Outcome] = {
    "word": Outcome("the word is right", "transcript", "word_confidences", is_class=True),
    "utterance": Outcome("the transcript has no error", "transcript", "p_correct", is_class=True),
    "wer": Outcome("WER", "transcript", "expected_wer", is_class=False, to_confidence=lambda wer: -wer),
    "bad": Outcome(
        "the translation is not bad",
        "translation",
        "p_bad",
        is_class=True,
        to_confidence=lambda p: 1 - p,
    ),
    "chrf": Outcome("chrF", "translation", "expected_chrf", is_class=False),
}
"""Name -> outcome, in the order of tables."""
ESTIMATES = tuple(row.estimate for row in OUTCOMES.values())


def signals_of_words(hypothesis: Hypothesis) -> dict[str, Sequence[float | None]]:
    """Signal -> confidence of each word of ``text.split()``; None where a word has none."""
    n = len(hypothesis.text.split())
    estimated = hypothesis.word_confidences if len(hypothesis.word_confidences) == n else (None,) * n
    log_probs = [[token.log_prob for token in tokens] for tokens in tokens_of_words(hypothesis)]
    raw = [math.exp(min(math.fsum(each) / len(each), 0.0)) if each else None for each in log_probs]
    return {"word_confidences": estimated, RAW: raw}


def signals_of_text(hypothesis: Hypothesis, outcome: Outcome) -> dict[str, float | None]:
    """Signal -> confidence in an outcome of the whole text; None where there is none.

    A score of 0 is none: systems that know no log-probability write it.
    """
    estimate = hypothesis.features.get(outcome.estimate)
    return {
        outcome.estimate: None if estimate is None else outcome.to_confidence(estimate),
        RAW: confidence_of(hypothesis) if hypothesis.score else None,
    }
