"""A teacher's translations as a data set: what there is nothing to learn from is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.errors import DataError
from components.nodes.kind import Item, Site
from components.nodes.targets import TARGETS, Targets, TargetsSettings
from components.records import Utterance
from tests.components.nodes.items import nbest

SITE = Site("lessons", of=("mt",))


def translated(text: str, translation: str) -> Item:
    utterance = Utterance(id="u", text=text, source_language="en", target_language="de")
    return Item(utterance=utterance, inputs={"mt": nbest("u", translation)})


def test_a_source_or_translation_without_text_is_left_out(tmp_path: Path) -> None:
    items = [translated("a dog", "ein Hund"), translated("a cat", ""), translated("", "eine Kuh")]
    product = Targets().collect(TargetsSettings(), SITE, iter(items), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / TARGETS).read_text("utf-8").splitlines()]
    assert [(row["text"], row["references"]) for row in rows] == [("a dog", ["ein Hund"])]
    assert product.items == 1
    with pytest.raises(DataError, match="lessons: expected translations by mt, found none to learn from"):
        Targets().collect(TargetsSettings(), SITE, iter(items[1:]), tmp_path)
