"""``gold``: the reference in the place of a node's text, wholly or of some kinds of error only (blame)."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from components.nodes.kind import Component, Item, Kind, NodeSettings, Site
from components.records import Hypothesis, NBest, NodeOutcome


class GoldSettings(NodeSettings):
    """What of a text is put right."""

    errors: tuple[str, ...] = Field(
        (), description="of transcripts: only these kinds of error are put right; empty: the reference itself"
    )
    only_changed: bool = Field(False, description="only utterances whose text changes go on")


class Gold(Kind[GoldSettings]):
    """A text -> what it should be; utterances without a reference go no further."""

    name = "gold"
    summary = "the reference in the place of a node's text"
    settings = GoldSettings
    needs_inputs = True
    filters = True
    scored = False

    def version(self, settings: GoldSettings) -> str:
        """Of the repairing."""
        return "gold/1"

    def libraries(self, settings: GoldSettings) -> tuple[str, ...]:
        """Of the normaliser by which words are compared."""
        return ("openai-whisper",)

    def build(self, settings: GoldSettings, site: Site) -> Component:
        """The reference, or the repaired transcript, of each item."""

        def put_right(items: Sequence[Item]) -> list[NodeOutcome | None]:
            return [_put_right(settings, site, item) for item in items]

        return put_right


def _put_right(settings: GoldSettings, site: Site, item: Item) -> NBest | None:
    given = item.inputs[site.of[0]]
    assert isinstance(given, NBest)
    text = _text(settings, site, item, given.best.text)
    if text is None or (settings.only_changed and text == " ".join(given.best.text.split())):
        return None
    best = Hypothesis(text=text, score=0.0, n_tokens=len(text.split()), system="gold")
    return given.model_copy(update={"hypotheses": (best,)})


def _text(settings: GoldSettings, site: Site, item: Item, given: str) -> str | None:
    utterance = item.utterance
    if not site.transcripts:
        return next((each for each in utterance.references if each), None)
    if utterance.transcript is None or not settings.errors:
        return utterance.transcript
    from components.metrics.repairing import repair  # noqa: PLC0415 - imports whisper

    return repair(given, utterance.transcript, settings.errors, utterance.source_language)
