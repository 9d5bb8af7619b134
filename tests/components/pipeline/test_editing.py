"""Corrections in a pipeline: who reads the corrected texts, and what keeps its name."""

from __future__ import annotations

import pytest

from components.errors import ConfigError
from components.pipeline.node_edit import NodeEdit
from components.pipeline.pipeline import Pipeline
from components.pipeline.steps.editing import apply_edits
from tests.graph_text import parse_pipeline

KEY = "0" * 64
GRAPH = """
target_language: de
nodes:
  asr: {kind: recognize}
  sure: {kind: route, of: asr, by: mean_log_prob, below: -1}
  own: {kind: python, of: asr, file: x.py, function: f, when: sure.keep}
  mt: {kind: translate, of: asr}
  better: {kind: refine, of: mt, method: self_refine, rounds: 2}
  both: {kind: combine, of: [mt, better], method: minimum_bayes_risk}
outputs: {transcript: asr, translation: both}
"""


def edited(*names: str, text: str = GRAPH) -> Pipeline:
    return apply_edits(parse_pipeline(text), [NodeEdit(node=name, corrections=KEY) for name in names])


def test_everyone_reads_the_corrected_texts_and_calls_them_as_before() -> None:
    before, graph = parse_pipeline(GRAPH), edited("asr")
    assert [node for node in graph.nodes if node not in before.nodes] == ["asr-corrections", "asr-edited"]
    assert graph.nodes["asr-edited"].reads == {"of0": "asr", "corrections": "asr-corrections"}
    for name in ("sure", "own", "mt"):
        assert (graph.nodes[name].of, graph.nodes[name].display_names) == (("asr-edited",), ("asr",))
    assert graph.outputs == {"transcript": "asr-edited", "translation": "both"}
    assert graph.language_of("asr-edited") == "source"


def test_a_node_of_several_rounds_is_corrected_as_it_was_written() -> None:
    graph = edited("mt", "better")
    assert graph.nodes["better-edited"].of == (graph.aliases["better"],)
    assert graph.nodes["both"].of == ("mt-edited", "better-edited")
    assert graph.nodes["better-1"].of[0] == "mt-edited"
    assert {*graph.definitions} >= {"mt-edited", "better-edited"}  # other analyses rewrite it further


def test_nodes_of_a_loops_body_are_redirected_too() -> None:
    body = "{back: {kind: translate, of: [loop], to: en}, next: {kind: select, of: [back, asr]}}"
    text = f"nodes: {{asr: {{kind: recognize}}, loop: {{kind: loop, of: asr, rounds: 1, body: {body}}}}}"
    graph = edited("asr", text=text.replace("[loop]", "loop"))
    assert graph.nodes["loop-1-next"].of == ("loop-1-back", "asr-edited")
    assert graph.nodes["loop-1-back"].of == ("asr-edited",)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("asrr", "there is no node 'asrr' with texts; did you mean asr?"),
        ("data", "there is no node 'data' with texts"),
        ("sure", "sure: expected a node that gives text, found one that gives table"),
        ("better-1", "better-1: expected a node as it was written, found a part of better; correct better"),
    ],
)
def test_what_has_no_texts_to_correct_is_refused(name: str, message: str) -> None:
    with pytest.raises(ConfigError) as fault:
        edited(name)
    assert message in str(fault.value)
    assert "\n" not in str(fault.value)
