"""Joining ways: the first node that has an utterance."""

from __future__ import annotations

import pytest

from components.errors import ConfigError
from components.nodes.select import Select
from components.pipeline.reading.reader import read_pipeline
from components.records import Quarantined
from tests.components.nodes.items import compute, item, nbest, texts_of


def test_the_first_that_has_it() -> None:
    bad = Quarantined(utterance_id="u2", stage="good", reason="bad", detail="of good")
    items = [
        item("u0", fast=nbest("u0", "fast"), good=nbest("u0", "good")),
        item("u1", fast=nbest("u1", "fast")),
        item("u2", good=bad, fast=nbest("u2", "fast")),
        item("u3", good=bad.model_copy(update={"utterance_id": "u3"})),
    ]
    outcomes = compute(Select(), {}, items, of=("good", "fast"))
    assert texts_of(outcomes) == ["good", "fast", "fast", "bad: of good"]
    assert outcomes[0] is items[0].inputs["good"]  # its whole n-best list
    assert outcomes[3].stage == "node"


def test_texts_of_two_languages_are_refused() -> None:
    nodes = {
        "asr": {"kind": "recognize"},
        "mt": {"kind": "translate", "of": "asr"},
        "any": {"kind": "select", "of": ["mt", "asr"]},
    }
    with pytest.raises(
        ConfigError, match=r"any.of: expected texts in one language, found mt \(target\) and asr"
    ):
        read_pipeline({"nodes": nodes})
