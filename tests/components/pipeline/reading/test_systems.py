"""Nodes that are written inside the node that reads them."""

from __future__ import annotations

import pytest

from components.errors import ConfigError
from components.pipeline.reading.reader import read_pipeline
from tests.graph_text import parse_pipeline

APART = {
    "asr": {"kind": "recognize"},
    "mt-1": {"kind": "translate", "of": "asr", "beam_size": 1},
    "mt-2": {"kind": "translate", "of": "asr", "beam_size": 2},
    "mt": {"kind": "combine", "of": ["mt-1", "mt-2"], "method": "reranking", "dev": "sample"},
}
WITHIN = {
    "asr": {"kind": "recognize"},
    "mt": {
        "kind": "combine",
        "of": "asr",
        "method": "reranking",
        "dev": "sample",
        "systems": [{"kind": "translate", "beam_size": 1}, {"kind": "translate", "beam_size": 2}],
    },
}


def test_systems_are_nodes_of_their_own_with_what_they_are_learned_by() -> None:
    apart, within = read_pipeline({"nodes": APART}), read_pipeline({"nodes": WITHIN})
    assert apart.nodes == within.nodes
    assert {"mt-1--dev", "mt-2--dev", "mt--fit"} <= within.nodes.keys()


def test_a_fault_of_a_system_has_its_line() -> None:
    text = """nodes:
  mt:
    kind: combine
    of: data
    systems:
    - kind: translate
      beams: 2
    - kind: translate
"""
    with pytest.raises(ConfigError, match=r"g.yaml:7: mt.systems.0.beams: translate has no such setting"):
        parse_pipeline(text, "g.yaml")
    with pytest.raises(ConfigError, match=r"mt.systems: expected a list of nodes .*, found 'a'"):
        read_pipeline({"nodes": {"mt": {"kind": "combine", "systems": "a"}}})
    with pytest.raises(ConfigError, match=r"expected one node mt-2, found that and a system of its name"):
        read_pipeline({"nodes": {"mt-2": {"kind": "translate"}, **WITHIN}})
