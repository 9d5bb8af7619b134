"""Systems of weight zero are not run; what else reads them keeps them."""

from __future__ import annotations

from typing import Any

from components.decoding.member_settings import describe_zero_weights
from components.pipeline.pipeline import Pipeline
from components.pipeline.reading.reader import read_pipeline
from components.pipeline.zero_weights import drop_zero_weights

NODES: dict[str, dict[str, Any]] = {
    "clean": {"kind": "perturb", "snr_db": 30},
    "a": {"kind": "recognize", "of": "clean"},
    "b": {"kind": "recognize", "model": "packaged:whisper-tiny.en"},
    "c": {"kind": "recognize", "beam_size": 1, "n_best": 1},
    "best": {"kind": "combine", "of": ["a", "b", "c"], "weights": [0, 1, 2]},
}


def read(**further: dict[str, Any]) -> Pipeline:
    return read_pipeline({"nodes": {**NODES, **further}, "target_language": "de"})


def test_a_system_of_weight_zero_and_what_only_it_needs_are_not_run() -> None:
    rest, unrun = drop_zero_weights(read())
    assert list(rest.nodes) == ["b", "c", "best"]
    assert rest.nodes["best"].of == ("b", "c")
    assert rest.nodes["best"].facts.weights == (1.0, 2.0)
    assert {each.node.name: each.reader for each in unrun} == {"a": "best", "clean": "best"}


def test_what_is_read_elsewhere_stays() -> None:
    rest, unrun = drop_zero_weights(read(de={"kind": "translate", "of": "a"}))
    assert {"a", "clean"} <= set(rest.nodes)
    assert rest.nodes["best"].of == ("b", "c")
    assert not unrun


def test_nothing_is_dropped_where_all_count() -> None:
    pipeline = read(best={**NODES["best"], "weights": [1, 1, 2]})
    assert drop_zero_weights(pipeline) == (pipeline, ())


def test_members_of_weight_zero_are_named_with_what_that_saved() -> None:
    (line,) = describe_zero_weights("de", ("one", "two", "three"), (0.5, 0.0, 0.5), 4.0)
    assert line == (
        "de: 1 of 3 members not run, as the weight is 0: two; saved about 2.0 s, if each costs the same"
    )
    assert describe_zero_weights("de", ("one", "two"), (), 4.0) == []
