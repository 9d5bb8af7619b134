"""Numbers of an utterance that a route may decide by: their ranges, and which end of each is doubtful."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from components.errors import DataError
from components.extensions import Extensions, accept_any
from components.nodes.feature_names import WRITTEN_RANGES
from components.nodes.node_context import Item
from components.number_ranges import ANY, LOG_PROBABILITY, NONNEGATIVE, PROBABILITY, Range
from components.records import NBest, Route
from components.text.suggestions import did_you_mean
from components.text.text_confidence import ESTIMATE_RANGES, confidence_of

CONFIDENCE = "confidence"
"""The calibrated probability of a good text where it was estimated, else exp(mean log-probability)."""
CALIBRATED, WRONG, RAW = "p_correct", "p_bad", "mean_log_prob"
COMPUTED: Extensions[Any] = Extensions("antiphon.features", "features", accept_any)
"""Modules that compute features of any text: their table ``FEATURES``, and ``extract_features``."""
T = TypeVar("T", Item, NBest)


@dataclass(frozen=True)
class Number(Generic[T]):
    """A row of the tables: how a number is measured, and its least and greatest value."""

    measure: Callable[[T], float | None]
    limits: Range


def _length(item: Item) -> float:
    if item.utterance.text is None:
        raise DataError("expected a text, found speech: say by: seconds, or read a recognizer")
    return len(item.utterance.text)


def _seconds(item: Item) -> float | None:
    return None if item.utterance.audio is None else item.utterance.audio.seconds


def _margin(nbest: NBest) -> float:
    """Return by how much the best hypothesis scores above the next; infinity for a list of one."""
    return nbest.best.score - nbest.hypotheses[1].score if len(nbest.hypotheses) > 1 else float("inf")


def _confidence(nbest: NBest) -> float | None:
    """Return it, 0 to 1; None of a text without tokens, or whose score is no log-probability."""
    features = nbest.best.features
    if CALIBRATED in features:
        return features[CALIBRATED]
    return 1 - features[WRONG] if WRONG in features else confidence_of(nbest.best)


MEASURES: dict[str, Number[Item]] = {
    "length": Number(_length, NONNEGATIVE),
    "seconds": Number(_seconds, NONNEGATIVE),
}
"""Numbers of the utterance: characters of its text; seconds of its speech, None if it is only text."""
FEATURES: dict[str, Number[NBest]] = {
    RAW: Number(lambda nbest: nbest.best.score / max(nbest.best.n_tokens, 1), LOG_PROBABILITY),
    "score": Number(lambda nbest: nbest.best.score, ANY),
    "n_tokens": Number(lambda nbest: nbest.best.n_tokens, NONNEGATIVE),
    "n_best": Number(lambda nbest: len(nbest.hypotheses), NONNEGATIVE),
    "margin": Number(_margin, ANY),
    CONFIDENCE: Number(_confidence, PROBABILITY),
}
"""Numbers of every n-best list; the features of its best hypothesis count as well."""
HIGH_IS_DOUBTFUL = frozenset(
    {
        *("length", "seconds", "n_tokens", "n_words", "n_best"),
        *("no_speech", "silence", "compression_ratio", "temperature", "unfamiliar"),
        *("mean_entropy", "max_entropy", "posterior_entropy"),
        *("member_disagreement", "max_member_disagreement", "p_bad", "expected_wer"),
    }
)
"""Numbers whose high end escalates unless ``doubtful`` says otherwise; of all others it is the low one."""


def doubtful_end(by: str) -> Literal["low", "high"]:
    """Return the end of a number at which an output is in doubt."""
    return "high" if by in HIGH_IS_DOUBTFUL else "low"


def limits_of(by: str) -> Range:
    """Return the least and the greatest value of a number; any of one that only a run knows."""
    row = MEASURES.get(by) or FEATURES.get(by)
    if row is not None:
        return row.limits
    known = {**WRITTEN_RANGES, **ESTIMATE_RANGES}
    if by not in known:
        for module in COMPUTED.values():
            known |= {name: feature.limits for name, feature in module.FEATURES.items()}
    return known.get(by, ANY)


def measure(by: str, item: Item) -> float | None:
    """Return the number that decides; None for what has none by its nature, as written text or silence.

    Raises:
        DataError: the n-best list has no such number.
    """
    if by in MEASURES:
        return MEASURES[by].measure(item)
    outcome = next(iter(item.inputs.values()), None)
    if isinstance(outcome, Route):
        return outcome.value
    if not isinstance(outcome, NBest):
        return None
    if by in outcome.best.features:
        return outcome.best.features[by]
    if by in FEATURES:
        return FEATURES[by].measure(outcome)
    numbers = measure_all(item)
    if by not in numbers and outcome.best.text.strip():
        raise DataError(f"expected a number {by}, found only {', '.join(numbers)}{did_you_mean(by, numbers)}")
    return numbers.get(by)  # silence has no tokens and no ratios


def computed_features(*, scored: bool = True) -> list[str]:
    """Return the features that are computed of any text, or of one that no model scored; never its source."""
    rows = [row for module in COMPUTED.values() for row in module.FEATURES.items() if row[1].compute]
    needs = {row.needs for _, row in rows} - {"a source text"} if scored else {"a text", "speech"}
    return [name for name, row in rows if row.needs in needs]


def measure_all(item: Item) -> dict[str, float]:
    """Return every finite number of an item by name; those of its first text, if it has one."""
    nbest = item.nbest
    if nbest is None:
        return {}
    # The text of the item is the one that is measured: features that compare it with its source are absent.
    alone = item.utterance.model_copy(update={"text": None})
    extracted = {
        name: value
        for module in COMPUTED.values()
        for name, value in module.extract_features(nbest, alone, {}).items()
    }
    own = {name: row.measure(nbest) for name, row in FEATURES.items()}
    numbers = {"length": float(len(nbest.best.text))}
    numbers |= {name: float(value) for name, value in own.items() if value is not None}
    numbers |= {name: value for name, value in extracted.items() if name not in numbers}
    numbers |= nbest.best.features
    return {name: float(value) for name, value in numbers.items() if math.isfinite(value)}
