"""A claim and the comparisons that answer it, stated before anything is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from components.stage_settings import Settings

_EXPECTED = r"^(positive|negative|within [0-9.]+)$"
_Expected = Annotated[str, Field(pattern=_EXPECTED)]
Voices = Literal["none", "synthetic", "human"]
"""Whose the recordings are; none where there is only text."""


class Comparison(Settings):
    """One difference, first side minus second, and what is expected of it.

    Every one of ``metrics`` has to decide alike. A metric of ``signs`` is too coarse to show what they can
    (BLEU beside nats a token): its difference has to lie on the same side.
    """

    name: str
    text: str = Field(description="both sides, in words")
    short: str = Field("", description="what it is about, in two or three words: 'mixed: SHORT holds, ...'")
    metrics: tuple[str, ...] = Field(min_length=1)
    signs: tuple[str, ...] = ()
    expected: _Expected | Mapping[str, _Expected] = Field(description="of all metrics, or of each its own")
    domain: str = Field("", description="of the data, where it is not the claim's own")
    voices: Voices | None = None

    def expected_of(self, metric: str) -> str:
        """Return ``positive``, ``negative`` or ``within MARGIN``."""
        return self.expected if isinstance(self.expected, str) else self.expected[metric]

    def sign(self, metric: str) -> int:
        """Return 1, -1, or 0 where a difference within a margin is expected."""
        return {"positive": 1, "negative": -1}.get(self.expected_of(metric), 0)

    def margin(self, metric: str) -> float:
        """Return the largest difference that counts as none; 0 where a sign is expected."""
        return 0.0 if self.sign(metric) else float(self.expected_of(metric).removeprefix("within "))


class Claim(Settings):
    """One claim of the field, and what would show it.

    Attributes:
        primary: answers the claim's own sentence, and decides.
        parts: what else the sentence says, and the same on other data; where one comes out otherwise than the
            primary, the verdict is mixed and says which.
        context: helps to understand the answer and decides nothing.
        changed: what was changed after it was registered, when and why.
    """

    name: str
    claim: str
    sources: tuple[str, ...] = ()
    experiment: str = Field("", description="module of experiments/, or the page that shows the claim")
    design: str = Field(description="data, sizes, seeds, budgets")
    domain: str = "captions"
    voices: Voices = "none"
    primary: Comparison | None = None
    parts: tuple[Comparison, ...] = ()
    context: tuple[Comparison, ...] = ()
    counter: str = Field("", description="the result that a reader should know beside this one")
    changed: tuple[str, ...] = ()

    def comparisons(self) -> Iterator[Comparison]:
        """All of them, the primary first."""
        if self.primary:
            yield self.primary
        yield from self.parts
        yield from self.context
