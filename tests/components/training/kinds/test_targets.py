"""A teacher's translations as a data set: what there is nothing to learn from is refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError

from components.errors import ConfigError, DataError
from components.nodes.node_context import Item, NodeContext
from components.pipeline.reading.reader import read_pipeline
from components.records import Utterance
from components.training.kinds.targets import TARGETS, Targets, TargetsSettings
from tests.components.nodes.items import nbest

SITE = NodeContext("lessons", of=("mt",))


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


def judged(number: int, p_bad: float) -> Item:
    utterance = Utterance(id=f"u{number}", text=f"dog {number}", source_language="en", target_language="de")
    return Item(utterance=utterance, inputs={"mt": nbest(f"u{number}", "Hund", features={"p_bad": p_bad})})


@pytest.mark.parametrize(
    ("settings", "ids"),
    [
        ({}, "0123"),
        ({"keep_share": 0.5}, "13"),  # of equal ones the earlier
        ({"keep_by": "p_bad", "keep_threshold": 0.5}, "13"),  # at most
        ({"keep_threshold": 0.5}, "13"),  # confidence: 1 - p_bad
        ({"keep_by": "p_bad", "keep_share": 0.75}, "013"),
        ({"keep_by": "mean_log_prob", "keep_threshold": -9.0}, "0123"),
    ],
)
def test_outputs_of_a_low_estimate_are_not_learned(
    settings: dict[str, Any], ids: str, tmp_path: Path
) -> None:
    items = [judged(n, p_bad) for n, p_bad in enumerate((0.9, 0.2, 0.9, 0.5))]
    kind, values = Targets(), TargetsSettings.model_validate(settings)
    product = kind.collect(values, SITE, iter(items), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / TARGETS).read_text("utf-8").splitlines()]
    assert "".join(row["id"][1:] for row in rows) == ids
    assert product.items == len(ids)
    notes = kind.notes(values, SITE, cast("Any", SimpleNamespace(stage="lessons", path=tmp_path)), None)
    said = f"lessons: {len(ids)} of 4 outputs are learned, {4 - len(ids)} left out by {values.keep_by}"
    assert notes == ([said] if settings else [])


def test_a_threshold_outside_of_the_range_is_refused() -> None:
    nodes = {
        "mt": {"kind": "translate"},
        "lessons": {"kind": "targets", "of": "mt", "keep_by": "confidence", "keep_threshold": -0.5},
    }
    with pytest.raises(ConfigError, match=r"lessons\.keep_threshold: expected 0 to 1, as confidence is"):
        read_pipeline({"nodes": nodes, "target_language": "de"})


def test_a_filter_that_cannot_work_is_refused(tmp_path: Path) -> None:
    def collect(**settings: Any) -> None:
        Targets().collect(TargetsSettings.model_validate(settings), SITE, iter([judged(0, 0.9)]), tmp_path)

    with pytest.raises(DataError, match="found none to learn from, 1 of 1 were left out by p_bad"):
        collect(keep_by="p_bad", keep_threshold=0.1)
    with pytest.raises(DataError, match="expected a number expected_chrf, found only"):
        collect(keep_by="expected_chrf", keep_share=0.5)
    with pytest.raises(ValidationError, match="expected keep_threshold or keep_share, found both"):
        collect(keep_share=0.5, keep_threshold=0.5)
