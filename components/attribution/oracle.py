"""``gold``: the reference in place of a node's text, or that text with some kinds of errors corrected."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, model_validator
from typing_extensions import override

from components.errors import ConfigError
from components.nodes.facts import Carry, Items, Need, state
from components.nodes.kind import Kind
from components.nodes.node_context import Component, Item, NodeContext, NodeSettings
from components.records import Hypothesis, NBest, Segment, Utterance
from components.text.languages import UNDETERMINED
from components.text.matching.retiming import retime

VERSION = 1
"""Version of which reference is taken, and of how errors are corrected."""


class OracleSettings(NodeSettings):
    """Which errors are corrected."""

    errors: tuple[str, ...] = Field(
        (),
        description="of transcripts: put right only these errors, such as words, form or "
        "'deleted content words'; none named: everything",
    )
    only_changed: bool = Field(False, description="only the utterances whose text changes")

    @model_validator(mode="after")
    def _check_errors(self) -> OracleSettings:
        if self.errors:
            from components.attribution import oracle_repair  # noqa: PLC0415 - its package imports sacrebleu

            kinds = ("words", *oracle_repair.ERROR_KINDS)
            unknown = [error for error in self.errors if error not in kinds]
            if unknown:
                raise ValueError(f"errors: expected some of {', '.join(kinds)}, found {unknown[0]!r}")
        return self


class Oracle(Kind[OracleSettings]):
    """Gives what a text should have been, for the utterances that have a reference."""

    name = "oracle"
    summary = "the reference in the place of a node"
    settings = OracleSettings
    reads = ("speech", "text")
    stated = state(features=(), is_scored=False, may_drop=True)
    items = Items(Carry.INPUTS, Need.UNLESS_PASSED)
    version = str(VERSION)

    @override
    def check(self, settings: OracleSettings, context: NodeContext) -> None:
        """Check that errors are named of transcripts only."""
        if settings.errors and not context.transcripts:
            raise ConfigError("errors: expected transcripts to repair, found translations; leave errors out")

    @override
    def build(self, settings: OracleSettings, context: NodeContext) -> Component:
        def give(items: Sequence[Item]) -> list[NBest | None]:
            return [_take_gold(settings, item, transcripts=context.transcripts) for item in items]

        return give


def _take_gold(settings: OracleSettings, item: Item, *, transcripts: bool) -> NBest | None:
    utterance = item.utterance
    nbest = item.nbest
    reference = utterance.transcript if transcripts else next(iter(utterance.references), None)
    if reference is None:
        return None
    text = reference
    if settings.errors and nbest is not None:
        text = _correct_errors(nbest.best.text, reference, settings.errors, utterance.source_language)
    if settings.only_changed and nbest is not None and text == " ".join(nbest.best.text.split()):
        return None
    language = utterance.source_language if nbest is None else nbest.language
    spoken = _reference_segments(utterance, transcripts=transcripts)
    written = (language if transcripts else utterance.target_language) or UNDETERMINED
    best = Hypothesis(
        text=text,
        score=0.0,
        n_tokens=len(text.split()),
        system="gold",
        segments=retime(text, written, spoken),
    )
    return NBest(utterance_id=utterance.id, hypotheses=(best,), language=language)


def _reference_segments(utterance: Utterance, *, transcripts: bool) -> list[Segment]:
    """Return the reference segments with their transcripts or first references; none if one has none."""
    texts = [
        segment.transcript if transcripts else next(iter(segment.references), None)
        for segment in utterance.reference_segments
    ]
    return [
        Segment(start=segment.start, end=segment.end, text=text)
        for segment, text in zip(utterance.reference_segments, texts, strict=True)
        if text is not None and None not in texts
    ]


def _correct_errors(text: str, reference: str, errors: Sequence[str], language: str) -> str:
    from components.attribution import oracle_repair  # noqa: PLC0415 - its package imports sacrebleu

    kinds = [
        kind for error in errors for kind in (oracle_repair.WORD_ERRORS if error == "words" else (error,))
    ]
    return oracle_repair.correct_errors(text, reference, kinds, language)
