"""``route``: sends each utterance one way, by language, domain or a number; ``when:`` takes the ways."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import Field, model_validator

from components.errors import DataError
from components.nodes.kind import Component, Item, Kind, NodeSettings, Site
from components.records import Hypothesis, NBest, Quarantined, Route

VERSION = 1
"""Version of the choice of a way."""
ESCALATE, KEEP = "escalate", "keep"
"""The ways of a threshold."""
LABELS: dict[str, Callable[[Item], str | None]] = {
    "language": lambda item: item.utterance.source_language,
    "domain": lambda item: item.utterance.domain,
}
"""Labels that ``ways`` may be chosen by: the language of the text that is read, the utterance's domain."""
_WAY = re.compile(r"[a-z][a-z0-9_-]{0,63}")


def _length(item: Item) -> float:
    if item.utterance.text is None:
        raise DataError("expected a text, found speech: say by: seconds, or read a recognizer")
    return len(item.utterance.text)


def _seconds(item: Item) -> float | None:
    return None if item.utterance.audio is None else item.utterance.audio.seconds


def _mean_log_prob(nbest: NBest) -> float:
    return nbest.best.score / max(nbest.best.n_tokens, 1)


def _margin(nbest: NBest) -> float:
    """Return by how much the best hypothesis scores above the next; infinity for a list of one."""
    return nbest.best.score - nbest.hypotheses[1].score if len(nbest.hypotheses) > 1 else float("inf")


MEASURES: dict[str, Callable[[Item], float | None]] = {"length": _length, "seconds": _seconds}
"""Numbers of the utterance: characters of its text; seconds of its speech, None if it is only text."""
FEATURES: dict[str, Callable[[NBest], float]] = {
    "mean_log_prob": _mean_log_prob,
    "score": lambda nbest: nbest.best.score,
    "n_tokens": lambda nbest: nbest.best.n_tokens,
    "n_best": lambda nbest: len(nbest.hypotheses),
    "margin": _margin,
}
"""Numbers of every n-best list; the features of its best hypothesis count as well."""


class RouteSettings(NodeSettings):
    """What decides, and the ways."""

    by: str = Field(
        description="language or domain (with ways); or a number (with below or above): length (characters), "
        "seconds (of speech), value (of a table that is read), "
        + ", ".join(FEATURES)
        + ", or another feature "
        "of the best hypothesis (Whisper: no_speech, compression_ratio, temperature)"
    )
    ways: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="way -> languages or domains that go there, such as german: [de]"
    )
    otherwise: str = Field("otherwise", description="the way of all others")
    below: float | None = Field(None, description="numbers below it go the way escalate, others keep")
    above: float | None = Field(None, description="numbers above it go the way escalate, others keep")

    @model_validator(mode="after")
    def _check_ways(self) -> RouteSettings:
        if self.by in LABELS:
            if not self.ways:
                raise ValueError(
                    f"ways: expected some such as {{german: [de]}} for by: {self.by}, found none"
                )
            if self.below is not None or self.above is not None:
                raise ValueError(f"expected ways for by: {self.by}, found a threshold")
        elif self.ways:
            raise ValueError(f"ways: expected below or above for the number {self.by}, found ways")
        elif self.below is None and self.above is None:
            raise ValueError(f"expected below or above for by: {self.by}, found neither")
        for way in (*self.ways, self.otherwise):
            if not _WAY.fullmatch(way):
                raise ValueError(f"ways: expected names of a-z, 0-9, '-' and '_', found {way!r}")
        labels = [label for way_labels in self.ways.values() for label in way_labels]
        twice = next((label for label in labels if labels.count(label) > 1), None)
        if twice is not None or self.otherwise in self.ways:
            raise ValueError(f"ways: expected one way each, found two for {twice or self.otherwise!r}")
        return self


class RouteKind(Kind[RouteSettings]):
    """Gives a way for each utterance of a text, of the data, or of a table of numbers."""

    name = "route"
    summary = "who goes which way, by language, domain, length or a number of the n-best list"
    settings = RouteSettings
    reads = ("speech", "text", "table")
    gives = "table"
    needs_inputs = True

    def version(self, settings: RouteSettings) -> str:
        """Return the version of this file."""
        return str(VERSION)

    def ways(self, settings: RouteSettings) -> tuple[str, ...]:
        """Return escalate and keep for a threshold, else the ways that are set."""
        return (*settings.ways, settings.otherwise) if settings.by in LABELS else (ESCALATE, KEEP)

    def parameters(self, settings: RouteSettings, site: Site) -> dict[str, Any]:
        """Return all settings."""
        return settings.model_dump(mode="json")

    def build(self, settings: RouteSettings, site: Site) -> Component:
        """Return the component; there is nothing to load."""

        def route(items: Sequence[Item]) -> list[Route | Quarantined]:
            return [_route(settings, item, site.name) for item in items]

        return route


def _route(settings: RouteSettings, item: Item, node: str) -> Route | Quarantined:
    utterance_id = item.utterance.id
    if settings.by in LABELS:
        return Route(utterance_id=utterance_id, way=_choose_way(settings, LABELS[settings.by](item)))
    try:
        value = _measure(settings.by, item)
    except DataError as error:
        return Quarantined(utterance_id=utterance_id, stage=node, reason="no such number", detail=str(error))
    low, high = settings.below, settings.above
    beyond = value is not None and ((low is not None and value < low) or (high is not None and value > high))
    finite = None if value == float("inf") else value
    return Route(utterance_id=utterance_id, way=ESCALATE if beyond else KEEP, value=finite)


def _choose_way(settings: RouteSettings, label: str | None) -> str:
    goes = (way for way, labels in settings.ways.items() if label in labels)
    return next(goes, settings.otherwise)


def _measure(by: str, item: Item) -> float | None:
    """Return the number that decides; None for what has none by its nature, such as written text."""
    if by in MEASURES:
        return MEASURES[by](item)
    outcome = next(iter(item.inputs.values()), None)
    if isinstance(outcome, Route):
        return outcome.value
    if not isinstance(outcome, NBest):
        return None
    features: Mapping[str, float] = outcome.best.features
    if by in features:
        return features[by]
    if by in FEATURES:
        return FEATURES[by](outcome)
    raise DataError(f"expected a number {by}, found only {', '.join(_measure_names(outcome.best))}")


def _measure_names(hypothesis: Hypothesis) -> list[str]:
    return list(dict.fromkeys([*MEASURES, *FEATURES, *hypothesis.features]))
