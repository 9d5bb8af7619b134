"""References in the place of a node."""

from __future__ import annotations

from typing import Any

import pytest

from components.attribution.oracle import Oracle
from components.errors import ConfigError
from components.nodes.node_context import Item
from components.pipeline.reading.reader import read_pipeline
from components.records import NBest, ReferenceSegment
from tests.components.nodes.items import compute, items


def known(*pairs: tuple[str, str | None]) -> list[Item]:
    """Recognized texts with their reference transcripts."""
    read = items(*(text for text, _ in pairs))
    return [
        each.model_copy(update={"utterance": each.utterance.model_copy(update={"transcript": transcript})})
        for each, (_, transcript) in zip(read, pairs, strict=True)
    ]


def give(read: list[Item], values: dict[str, Any] | None = None, **context: Any) -> list[str | None]:
    outcomes = compute(Oracle(), values or {}, read, **context)
    return [one.best.text if isinstance(one, NBest) else None for one in outcomes]


def test_the_transcript_of_those_that_have_one() -> None:
    read = known(("the cat sat", "The cat sat."), ("a dog", None), ("Cows.", "Cows."))
    assert give(read) == ["The cat sat.", None, "Cows."]
    assert give(read, {"only_changed": True}) == ["The cat sat.", None, None]


def test_only_some_errors_are_put_right() -> None:
    read = known(("the dog sat", "The cat sat."))
    assert give(read, {"errors": ["form"]}) == ["The dog sat."]
    assert give(read, {"errors": ["words"]}) == ["the cat sat"]
    assert give(read, {"errors": ["words", "form"]}) == ["The cat sat."]
    assert give(read, {"errors": ["deleted content words"], "only_changed": True}) == [None]


def test_the_translation_of_a_node_that_translates() -> None:
    read = items("ein Hund")
    spoken = read[0].utterance.model_copy(update={"references": ("eine Katze", "die Katze")})
    read = [Item(utterance=spoken, inputs=read[0].inputs)]
    assert give(read, transcripts=False) == ["eine Katze"]
    with pytest.raises(ConfigError, match="errors: expected transcripts to repair, found translations"):
        give(read, {"errors": ["form"]}, transcripts=False)


def test_an_unknown_error_is_refused() -> None:
    nodes = {"asr": {"kind": "recognize"}, "gold": {"kind": "oracle", "of": "asr", "errors": ["spelling"]}}
    with pytest.raises(ConfigError, match="errors: expected some of words, substituted content words"):
        read_pipeline({"nodes": nodes})


def test_gold_texts_have_the_times_of_the_reference_segments() -> None:
    segments = (
        ReferenceSegment(start=0, end=1, transcript="The cat", references=("Die Katze",)),
        ReferenceSegment(start=2, end=3, transcript="sat.", references=("saß.",)),
    )
    read = known(("the cat sad", "The cat sat."))
    utterance = read[0].utterance.model_copy(
        update={"reference_segments": segments, "references": ("Die Katze saß.",)}
    )
    read = [read[0].model_copy(update={"utterance": utterance})]
    for transcripts, words in ((True, ["The cat", "sat."]), (False, ["Die Katze", "saß."])):
        (outcome,) = compute(Oracle(), {}, read, transcripts=transcripts)
        assert [s.text for s in outcome.best.segments] == words
        assert [s.start for s in outcome.best.segments] == [0, 2]
    (outcome,) = compute(Oracle(), {"errors": ["form"]}, read)
    assert [s.text for s in outcome.best.segments] == ["The cat", "sad"]
