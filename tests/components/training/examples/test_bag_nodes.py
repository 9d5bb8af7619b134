"""``bags`` is written out as trainings on bootstrap samples and their ensemble."""

from __future__ import annotations

from typing import Any

import pytest

from components.errors import ConfigError
from components.pipeline.reading.reader import read_pipeline

TRAIN: dict[str, Any] = {"kind": "train", "data": "sample", "dev": "sample"}


def read(**nodes: dict[str, Any]) -> dict[str, Any]:
    pipeline = read_pipeline({"nodes": nodes, "target_language": "de"})
    return {node.name: node for node in pipeline}


def test_three_bags_share_the_vocabulary_of_the_first() -> None:
    nodes = read(one=TRAIN, de={"kind": "translate", "model": "node:one", "bags": 3})
    assert set(nodes) == {"one--bag1", "one--bag2", "one--bag3", "de"}  # `one` itself is not trained
    bags = [nodes[f"one--bag{number}"].settings for number in (1, 2, 3)]
    assert [each.bag for each in bags] == [1, 2, 3]
    assert [each.tokenizer for each in bags] == [None, "node:one--bag1", "node:one--bag1"]
    assert nodes["de"].settings.references == ("node:one--bag1", "node:one--bag2", "node:one--bag3")


def test_a_training_that_is_read_elsewhere_stays_and_a_start_gives_the_vocabulary() -> None:
    start = {**TRAIN, "init_from": "packaged:multi30k-en-de"}
    bagged = {"kind": "translate", "model": "node:one", "bags": 2}
    nodes = read(one=start, alone={"kind": "translate", "model": "node:one"}, de=bagged)
    assert {"one", "one--bag1", "one--bag2"} <= set(nodes)
    assert nodes["one--bag2"].settings.tokenizer is None


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"model": "node:one", "bags": 1}, "de.bags: expected 2 to 16 trainings, found 1"),
        ({"model": "node:one", "bags": True}, "found True"),
        ({"model": "packaged:multi30k-en-de", "bags": 2}, "expected model node:NAME of a node of kind train"),
    ],
)
def test_what_cannot_be_bagged(node: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(one=TRAIN, de={"kind": "translate", **node})


def test_checkpoints_that_are_not_kept_are_refused_before_training() -> None:
    kept = {**TRAIN, "keep_checkpoints": 2}
    nodes = read(one=kept, de={"kind": "translate", "model": "node:one", "checkpoints": 2})
    assert nodes["de"].settings.references == ("node:one@-2", "node:one@-1")
    assert set(nodes["de"].reads.values()) == {"data", "one"}
    with pytest.raises(ConfigError, match="found node:one@-3 and keep_checkpoints 2; set keep_checkpoints"):
        read(one=kept, de={"kind": "translate", "model": "node:one", "checkpoints": 3})
    with pytest.raises(ConfigError, match="keep_checkpoints 0"):
        read(one=TRAIN, de={"kind": "translate", "model": "node:one@300"})
