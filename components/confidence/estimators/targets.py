"""The table of targets: what is estimated of a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.confidence.estimators.config import TargetName
from components.number_ranges import PROBABILITY, Range
from components.text.text_confidence import ESTIMATE_RANGES

Output = Literal["transcript", "translation"]


@dataclass(frozen=True)
class Target:
    """Something that is estimated.

    Attributes:
        summary: what it is, in a line.
        of: which texts it is estimated of.
        is_class: whether the true value is 0 or 1, and the estimate a probability.
        per_word: whether every word has its own.
        limits: the least and the greatest value there is.
    """

    summary: str
    of: Output
    is_class: bool
    per_word: bool = False
    limits: Range = PROBABILITY


TARGETS: dict[TargetName, Target] = {
    "word": Target("probability that the word is right", "transcript", is_class=True, per_word=True),
    "p_correct": Target("probability that the utterance has no error", "transcript", is_class=True),
    "expected_wer": Target(
        "expected word error rate of the utterance, percent",
        "transcript",
        is_class=False,
        limits=ESTIMATE_RANGES["expected_wer"],
    ),
    "p_bad": Target(
        "probability that the translation is bad: its chrF is more than 10 points below the mean of the "
        "development data, or below the same system's translation of the reference transcript",
        "translation",
        is_class=True,
    ),
    "expected_chrf": Target(
        "expected chrF of the utterance, percent",
        "translation",
        is_class=False,
        limits=ESTIMATE_RANGES["expected_chrf"],
    ),
}
"""Name of the estimate -> target. ``word`` becomes ``word_confidences``, the others features of the text."""


def targets_of(output: Output) -> tuple[TargetName, ...]:
    """Return the targets of transcripts or of translations."""
    return tuple(name for name, target in TARGETS.items() if target.of == output)
