"""``train_ctc``: what it reads, and what is refused before anything is encoded."""

from __future__ import annotations

from typing import Any

import pytest

from components.errors import ConfigError
from components.pipeline.reading.reader import read_pipeline

NODES = {
    "dev": {"kind": "data", "source": "sample"},
    "states": {"kind": "encode_speech", "of": "data", "pooling": 1},
    "dev_states": {"kind": "encode_speech", "of": "dev", "pooling": 1},
    "asr": {"kind": "recognize", "of": "data", "model": "node:head"},
    "other": {"kind": "recognize", "of": "data"},
}
HEAD = {"kind": "train_ctc", "of": ["data", "dev"], "states": "states", "dev_states": "dev_states"}


def read(**settings: Any) -> Any:
    return read_pipeline({"nodes": {**NODES, "head": {**HEAD, **settings}}, "outputs": {"transcript": "asr"}})


def test_a_recognizer_computes_with_what_it_makes() -> None:
    pipeline = read()
    assert pipeline.nodes["asr"].settings.model == "node:head"
    assert pipeline.nodes["head"].kind.facts(pipeline.nodes["head"].settings).tables == {
        "states": "states",
        "dev_states": "dev_states",
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel": 4}, "kernel: expected an odd number of frames, found 4"),
        ({"of": ["data"]}, "head"),
        ({"of": ["data", "other"]}, "head.*other"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as result:
        pipeline = read(**settings)
        node = pipeline.nodes["head"]
        node.kind.check(node.settings, None)
    assert "\n" not in str(result.value)
