"""``dev:`` stands for a data set, copies of what is above the node, and a node that learns from them."""

from __future__ import annotations

from typing import Any

import pytest

from components.errors import ConfigError
from components.pipeline.reading.faults import Faults
from components.pipeline.reading.reader import read_pipeline
from components.pipeline.steps import development
from components.pipeline.steps.development import add_development_nodes

ASR = {"kind": "recognize", "beam_size": 1, "n_best": 1}
COMBINE = {"kind": "combine", "of": ["a", "b"], "method": "reranking"}


def test_a_node_with_dev_is_the_graph_that_it_stands_for() -> None:
    other = {**ASR, "model": "packaged:whisper-tiny.en"}
    nodes = {"best": {**COMBINE, "dev": "sample", "dev_limit": 2}, "a": ASR, "b": other}
    written_out = {
        "a": ASR,
        "b": other,
        "data--dev": {"kind": "data", "source": "sample", "limit": 2},
        "a--dev": {**ASR, "of": "data--dev"},
        "b--dev": {**other, "of": "data--dev"},
        "best--fit": {**COMBINE, "kind": "fit_reranker", "of": ["a--dev", "b--dev"]},
        "best": {**COMBINE, "tuned": "best--fit"},
    }
    short, long = (read_pipeline({"nodes": values}) for values in (nodes, written_out))
    assert {n.name: (n.kind, n.settings, n.of) for n in short} == {
        n.name: (n.kind, n.settings, n.of) for n in long
    }
    assert short.outputs == {"transcript": "best"}


def test_copies_are_shared_and_other_sets_have_their_own() -> None:
    nodes: dict[str, dict[str, Any]] = {"a": ASR, "b": {**ASR, "beam_size": 2}}
    nodes |= {name: {**COMBINE, "dev": dev} for name, dev in (("x", "s"), ("y", "s"), ("z", "t"))}
    expanded = add_development_nodes(nodes, Faults())
    assert [n for n in expanded if n.startswith("data")] == ["data--dev", "data--dev2"]
    assert expanded["y--fit"]["of"] == expanded["x--fit"]["of"] == ["a--dev", "b--dev"]
    assert expanded["z--fit"]["of"] == ["a--dev2", "b--dev2"]


def test_a_loop_is_copied_with_its_body() -> None:
    """Inside it its name is the copy's own; what lies outside is copied, too."""
    words = {"kind": "combine", "of": ["b", "inner"]}
    inner = {"kind": "loop", "of": "rerun", "rounds": 1, "body": {"words": words}}
    body = {"rerun": {"kind": "perturb", "of": "better", "typos": 0.1}, "inner": inner}
    loop = {"kind": "loop", "of": "a", "rounds": 2, "body": body}
    best = {**COMBINE, "of": ["better", "a"], "dev": "s"}
    pipeline = read_pipeline(
        {"nodes": {"a": ASR, "b": {**ASR, "beam_size": 2}, "better": loop, "best": best}}
    )
    for of in ("better-{}", "better--dev-{}"):
        source = "--dev" if "dev" in of else ""
        assert pipeline.nodes[f"{of.format(1)}-rerun"].of == (f"a{source}",)
        assert pipeline.nodes[f"{of.format(2)}-rerun"].of == (of.format(1),)
    inner_words = [node for node in pipeline if node.name.endswith("-words")]
    assert {pipeline.data_of(n.name): n.of[0] for n in inner_words} == {"data": "b", "data--dev": "b--dev"}
    assert pipeline.nodes["best--fit"].of == ("better--dev", "a--dev")


def test_a_node_that_many_ways_lead_to_is_copied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[str] = []
    add = development._Development._add
    monkeypatch.setattr(
        development._Development,
        "_add",
        lambda self, name, *rest: added.append(name) or add(self, name, *rest),
    )
    nodes: dict[str, dict[str, Any]] = {"a0": ASR, "b0": {**ASR, "beam_size": 2}}
    for n in range(1, 5):
        nodes |= {f"{name}{n}": {"kind": "select", "of": [f"a{n - 1}", f"b{n - 1}"]} for name in "ab"}
    add_development_nodes({**nodes, "x": {**COMBINE, "of": ["a4", "b4"], "dev": "s"}}, Faults())
    assert sorted(added) == sorted([*nodes, "data"])


def test_nodes_of_the_file_keep_the_names_that_copies_would_have() -> None:
    nodes = {
        "x": {**COMBINE, "dev": "s"},
        "a": ASR,
        "b": {**ASR, "beam_size": 2},
        "a--dev": {**ASR, "n_best": 5},
    }
    expanded = add_development_nodes(nodes, Faults())
    assert expanded["a--dev"] == nodes["a--dev"]
    assert expanded["x--fit"]["of"] == ["a--dev2", "b--dev"]
    with pytest.raises(
        ConfigError, match="expected one node x--fit, found that and the one that dev of x adds"
    ):
        read_pipeline({"nodes": {**nodes, "x--fit": ASR}})


def test_rungs_lose_the_route_that_is_learned_and_keep_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(development, "table_from_dev", lambda _: ("fitted", "fit_reranker"))
    route = {"kind": "route", "by": "margin", "dev": "s"}
    nodes = {
        "last": {**route, "of": "good", "tiers": ["good", "best"]},
        "fast": ASR,
        "doubt": {**route, "of": "fast", "tiers": ["fast", "good"]},
        "good": {**ASR, "when": "doubt.escalate"},
        "best": {**ASR, "beam_size": 3, "when": "last.escalate"},
    }
    expanded = add_development_nodes(nodes, Faults())
    first, second = expanded["doubt--fit"]["of"], expanded["last--fit"]["of"]
    assert (first, second) == (["fast--dev", "good--dev"], ["good--dev2", "best--dev"])
    assert "when" not in expanded["good--dev"]
    assert "when" not in expanded["best--dev"]
    assert expanded["good--dev2"]["when"] == "doubt--dev.escalate"
    assert expanded["doubt--dev"] == {k: v for k, v in route.items() if k != "dev"} | {
        "of": "fast--dev",
        "fitted": "doubt--fit",
    }


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({**COMBINE, "dev": 3}, "x.dev: expected a data set with references, found 3"),
        ({**COMBINE, "dev": "s", "dev_limit": 0}, "x.dev_limit: expected a number of utterances from 1 on"),
        ({**COMBINE, "dev": "s", "tuned": "t"}, "x: expected dev or tuned, found both"),
        ({"kind": "recognize", "dev": "s"}, "x.dev: recognize has no such setting"),
    ],
)
def test_faults_are_a_line_each(values: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        read_pipeline({"nodes": {"a": ASR, "b": {**ASR, "beam_size": 2}, "x": values}})
