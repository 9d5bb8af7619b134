"""A pipeline from a file: what is wrong is one line with its place; what is right is a graph in order."""

from __future__ import annotations

import pytest

from components.errors import ConfigError
from components.pipeline.advice.mermaid import to_mermaid
from components.pipeline.reading.matrix import expand_matrix
from components.pipeline.reading.reader import read_pipeline
from tests.graph_text import parse_pipeline

TALK = """
target_language: de
nodes:
  de: {kind: translate, of: words}
  words: {kind: recognize, beam_size: 1, n_best: 1}
"""


def test_nodes_stand_after_those_they_read_and_the_last_of_each_language_is_scored() -> None:
    pipeline = parse_pipeline(TALK)
    assert list(pipeline.nodes) == ["words", "de"]
    assert pipeline.outputs == {"transcript": "words", "translation": "de"}
    assert pipeline.nodes["words"].of == ("data",)
    assert (pipeline.language_of("words"), pipeline.language_of("de")) == ("source", "target")


def test_languages_belong_to_nodes() -> None:
    nodes = {
        "words": {"kind": "recognize"},
        "en": {"kind": "translate", "of": "words", "to": "en"},
        "fr": {"kind": "translate", "of": "en"},
    }
    pipeline = read_pipeline({"nodes": nodes, "target_language": "fr"})
    assert [pipeline.language_of(name) for name in nodes] == ["source", "en", "target"]
    assert pipeline.outputs["translation"] == "fr"
    back = {**nodes, "back": {"kind": "translate", "of": "fr", "to": "de"}}
    assert read_pipeline({"nodes": back, "source_language": "de"}).outputs["translation"] == "fr"
    assert read_pipeline({"nodes": back, "source_language": "es"}).outputs["translation"] == "back"


FAULTS = {
    "no nodes": ("nodes: {}", "f.yaml:1: nodes: expected names such as asr: {kind: recognize}, found none"),
    "unknown part": (
        "nods: {a: {kind: recognize}}",
        "f.yaml:1: nods: no such part of a pipeline; did you mean nodes?",
    ),
    "unknown kind": (
        "nodes:\n  a:\n    kind: recognise",
        "f.yaml:3: a: no such kind of node: 'recognise'; did you mean recognize?",
    ),
    "no kind": ("nodes:\n  a: {of: data}", "f.yaml:2: a: no such kind of node: None; known: "),
    "unknown setting": (
        "nodes:\n  a: {kind: recognize,\n      beamsize: 3}",
        "f.yaml:3: a.beamsize: recognize has no such setting; did you mean beam_size?",
    ),
    "a language where none is written": (
        "nodes:\n  a: {kind: translate}\n  b: {kind: refine, of: a, to: de}",
        "f.yaml:3: b.to: refine does not translate",
    ),
    "out of bounds": (
        "nodes:\n  a: {kind: recognize, beam_size: 0}",
        "f.yaml:2: a.beam_size: expected at least 1, found",
    ),
    "out of bounds in a list": (
        "nodes:\n  a: {kind: recognize, temperature_fallback: [-0.2]}",
        "f.yaml:2: a.temperature_fallback.0: expected at least 0",
    ),
    "unknown node": (
        "nodes:\n  heard: {kind: recognize}\n  b: {kind: translate, of: herd}",
        "f.yaml:3: b: there is no node 'herd'; did you mean heard?",
    ),
    "circle": (
        "nodes:\n  a: {kind: translate, of: b}\n  b: {kind: translate, of: a}",
        "f.yaml:2: a, b: expected no circle, but these read each other",
    ),
    "text where speech is read": (
        "nodes:\n  a: {kind: recognize}\n  b: {kind: recognize, of: a}",
        "f.yaml:3: b.of: recognize reads speech, found a, which gives text",
    ),
    "two in a row into one language": (
        "nodes:\n  a: {kind: recognize}\n  b: {kind: translate, of: a}\n  c: {kind: translate, of: b}",
        "f.yaml:4: c: expected to translate into another language than b gives",
    ),
    "too many inputs": (
        "nodes:\n  a: {kind: recognize}\n  b: {kind: recognize}\n  c: {kind: translate, of: [a, b]}",
        "f.yaml:4: c.of: translate reads 1 nodes, found 2",
    ),
    "a name": ("nodes:\n  Big One: {kind: recognize}", "f.yaml:2: Big One: expected a name of a-z"),
    "twice": (
        "nodes:\n  a: {kind: recognize}\n  a: {kind: recognize}",
        "f.yaml:3: expected YAML 1.2, found: duplicate key",
    ),
    "two into one output": (
        "nodes:\n  a: {kind: recognize}\noutputs: {transcript: [a, a]}",
        "f.yaml:3: outputs.transcript: expected one node, found ['a', 'a']; two would write one output",
    ),
    "unknown output": (
        "nodes:\n  a: {kind: recognize}\noutputs: {transcrpt: a}",
        "f.yaml:3: outputs.transcrpt: no such output; did you mean transcript?",
    ),
    "to": (
        "nodes:\n  a: {kind: recognize, to: de}",
        "f.yaml:2: a.to: recognize does not translate, found 'de'",
    ),
    "when": (
        "nodes:\n  a: {kind: recognize}\n  b: {kind: translate, of: a, when: a.x}",
        "f.yaml:3: b.when: expected a node that routes, found a",
    ),
    "defaults": (
        "nodes:\n  a: {kind: recognize}\ndefaults:\n  beam: 3",
        "f.yaml:4: defaults.beam: no node has such a setting",
    ),
    "a model of text": (
        "nodes:\n  a: {kind: recognize}\n  b: {kind: translate, of: a, model: 'node:a'}",
        "f.yaml:3: b: expected a model, found node:a, which gives text",
    ),
    "defaults that are no settings": (
        "nodes:\n  a: {kind: recognize}\ndefaults: 3",
        "f.yaml:3: defaults: expected settings, found int",
    ),
    "a node that is none": (
        "nodes:\n  a: recognize",
        "f.yaml:2: a: expected a node such as {kind: recognize}, found 'recognize'",
    ),
    "when that names no way": (
        "nodes:\n  a: {kind: recognize}\n  b: {kind: translate, of: a, when: a}",
        "f.yaml:3: b.when: expected NODE.BRANCH, found 'a'",
    ),
    "of that names no node": (
        "nodes:\n  a: {kind: recognize}\n  b: {kind: translate, of: {x: a}}",
        "f.yaml:3: b.of: expected a node or a list of nodes, found {'x': 'a'}",
    ),
    "outputs that are no mapping": (
        "nodes:\n  a: {kind: recognize}\noutputs: [a]",
        "f.yaml:3: outputs: expected {transcript: NODE, translation: NODE}, found ['a']",
    ),
    "an output of no node": (
        "nodes:\n  words: {kind: recognize}\noutputs: {transcript: wrds}",
        "f.yaml:3: outputs.transcript: there is no node 'wrds'; did you mean words?",
    ),
    "a name that a round takes": (
        "target_language: de\nnodes:\n  mt: {kind: translate}\n  l-1: {kind: oracle, of: mt}\n"
        "  l: {kind: loop, of: mt, rounds: 1, body: {b: {kind: translate, of: l, to: source}}}",
        "f.yaml:5: expected one node l-1, found that and a round of its name; rename one",
    ),
    "a body's node with the loop's name": (
        "target_language: de\nnodes:\n  mt: {kind: translate}\n"
        "  l: {kind: loop, of: mt, rounds: 1, body: {l: {kind: oracle, of: mt}}}",
        "f.yaml:4: l: body.l: expected another name than the loop's",
    ),
    "a body that reads no node": (
        "target_language: de\nnodes:\n  mt: {kind: translate}\n"
        "  l: {kind: loop, of: mt, rounds: 1, body: {b: {kind: oracle, of: 3}}}",
        "f.yaml:4: l: body.b.of: expected a node or a list of nodes, found 3",
    ),
    "of a node twice": (
        "nodes:\n  a: {kind: recognize}\n  b: {kind: combine, of: [a, a]}",
        "f.yaml:3: b.of: expected different nodes, found one twice in a, a",
    ),
    "of two data sets": (
        "nodes:\n  other: {kind: data, source: sample}\n  a: {kind: recognize}\n"
        "  b: {kind: recognize, of: other}\n  c: {kind: combine, of: [a, b]}",
        "f.yaml:5: c.of: expected nodes of one data set, found several in a, b",
    ),
    "an output that is no text": (
        "nodes:\n  a: {kind: recognize}\n  r: {kind: route, of: a, by: length, below: 3}\n"
        "  b: {kind: translate, of: a, when: r.escalate}\noutputs: {transcript: r}",
        "f.yaml:5: outputs.transcript: expected a node that gives text, found r",
    ),
    "a translation as the transcript": (
        "nodes:\n  asr: {kind: recognize}\n  mt: {kind: translate, of: asr}\n"
        "outputs:\n  transcript: mt\ntarget_language: de",
        "f.yaml:5: outputs.transcript: expected what was said, found mt, a translation",
    ),
    "a list of nodes": (
        "nodes:\n  - asr: {kind: recognize}",
        "f.yaml:1: nodes: expected names such as asr: {kind: recognize}, found a list: leave out the dashes",
    ),
    "a body that cannot change anything": (
        "target_language: de\nnodes:\n  mt: {kind: translate}\n"
        "  l: {kind: loop, of: mt, rounds: 1, body: {b: {kind: oracle, of: mt}}}",
        "f.yaml:4: l: body: expected its last node, b, to read l (the present text)",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line_with_its_place(name: str) -> None:
    text, expected = FAULTS[name]
    with pytest.raises(ConfigError) as raised:
        parse_pipeline(text, "f.yaml")
    lines = str(raised.value).splitlines()
    assert lines[0].startswith(expected), lines
    assert len(lines) == 1, lines


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        parse_pipeline("nodes:\n  a: {kind: recognise}\n  b: {kind: translate, beam: 2}", "f.yaml")
    assert [line.partition(" ")[0] for line in str(raised.value).splitlines()] == ["f.yaml:2:", "f.yaml:3:"]


def test_defaults_are_shared_by_the_nodes_that_have_the_setting() -> None:
    pipeline = parse_pipeline(TALK + "defaults: {n_best: 1, translate: {beam_size: 2}}\n")
    words, de = pipeline.nodes["words"].settings, pipeline.nodes["de"].settings
    assert (words.beam_size, words.n_best) == (1, 1)  # type: ignore[attr-defined]
    assert (de.beam_size, de.n_best) == (2, 1)  # type: ignore[attr-defined]


def test_until_leaves_what_a_node_needs() -> None:
    pipeline = parse_pipeline(TALK).subgraph_of("words")
    assert list(pipeline.nodes) == ["words"]
    assert pipeline.outputs == {"transcript": "words"}


def test_a_matrix_is_a_system_for_each_combination() -> None:
    nodes = {"words": {"kind": "recognize"}, "de": {"kind": "translate", "of": "words"}}
    systems = expand_matrix(
        {"nodes": nodes, "matrix": {"words.beam_size": [1, 5], "de.model": ["packaged:a", "b"]}}
    )
    assert list(systems) == [
        "beam_size-1.model-a",
        "beam_size-1.model-b",
        "beam_size-5.model-a",
        "beam_size-5.model-b",
    ]
    assert systems["beam_size-5.model-b"]["nodes"]["de"] == {"kind": "translate", "of": "words", "model": "b"}
    assert "beam_size" not in nodes["words"]  # what was written stays as it is
    deep = {"de": {**nodes["de"], "combine": {"method": "linear"}}}
    systems = expand_matrix({"nodes": deep, "matrix": {"de.combine.temperature": [1, 2]}})
    assert systems["temperature-2"]["nodes"]["de"]["combine"] == {"method": "linear", "temperature": 2}
    assert deep["de"]["combine"] == {"method": "linear"}
    for wrong in ({"words.beam_size": 3}, {"beam_size": [1]}, {"words.beam_size": list(range(21))}):
        with pytest.raises(ConfigError, match="matrix"):
            expand_matrix({"nodes": nodes, "matrix": wrong})


@pytest.mark.parametrize(
    ("nodes", "fault"),
    [
        (None, "pipeline: nodes: expected nodes by name, found None"),
        ({"de": "translate"}, "pipeline: nodes.de: expected settings, one of which a matrix varies"),
        ({"de": {"combine": "linear"}}, "pipeline: nodes.de.combine: expected settings, one of which"),
    ],
)
def test_a_matrix_of_no_settings_is_one_line(nodes: object, fault: str) -> None:
    with pytest.raises(ConfigError) as refused:
        expand_matrix({"nodes": nodes, "matrix": {"de.combine.method": ["linear"]}})
    assert str(refused.value).startswith(fault)


@pytest.mark.parametrize(
    ("node", "fault"),
    [
        ({"kind": "refine", "of": 3}, "expected the node whose text is refined, or two"),
        ({"kind": "translate", "model": 2, "adapter": "hub:a/b"}, "model: expected text, found 2"),
        ({"kind": "estimate", "of": 3, "dev": "dev.jsonl"}, "x.of: expected a node or a list of nodes"),
        ({"kind": "score_texts", "of": [], "metric": "forward:m"}, "x.of: score_texts reads 1"),
        (
            {"kind": "loop", "of": "y", "rounds": 1, "body": {"b": {"kind": "refine", "of": ["x", {}]}}},
            "body.b.of: expected a node or a list of nodes",
        ),
    ],
)
def test_a_value_of_another_type_is_one_line(node: dict[str, object], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        read_pipeline({"nodes": {"x": node}, "source_language": "en", "target_language": "de"})


def test_defaults_of_a_kind_are_settings() -> None:
    with pytest.raises(ConfigError, match=r"f.yaml:2: defaults.translate: expected settings of translate"):
        parse_pipeline("nodes: {de: {kind: translate}}\ndefaults: {translate: 5}", "f.yaml")


def test_mermaid_shows_every_edge() -> None:
    drawn = to_mermaid(parse_pipeline(TALK), {"de": 'say "hi" <b>'})
    assert "data --> n_words" in drawn
    assert "n_words --> n_de" in drawn
    assert "say &quot;hi&quot; &lt;b&gt;" in drawn
    looking_back = to_mermaid(parse_pipeline(TALK + "  better: {kind: refine, of: de, rounds: 1}\n"))
    assert "n_de --> n_better_1" in looking_back
    assert "n_words" in looking_back and "origin" not in looking_back  # the source is no edge of the file


def test_rounds_that_read_what_is_not_there_are_one_line() -> None:
    nodes = {"mt": {"kind": "translate"}, "r": {"kind": "refine", "of": "yes", "rounds": 3}}
    with pytest.raises(ConfigError) as refused:
        read_pipeline({"nodes": nodes, "source_language": "en", "target_language": "de"})
    assert str(refused.value) == "r: there is no node 'yes'; known: data, mt"


@pytest.mark.parametrize("display_names", [3, "x", ["a", "b"]])
def test_what_a_node_calls_its_inputs_is_nothing_to_set(display_names: object) -> None:
    nodes = {"asr": {"kind": "recognize", "display_names": display_names}}
    with pytest.raises(ConfigError, match=r"^asr\.called: recognize has no such setting$"):
        read_pipeline({"nodes": nodes})


def test_inside_a_loop_a_function_meets_nodes_by_the_names_of_the_file() -> None:
    body = {
        "back": {"kind": "translate", "of": "better", "to": "source"},
        "again": {"kind": "python", "file": "s.py", "function": "f", "of": ["better", "back"]},
    }
    nodes = {"mt": {"kind": "translate"}, "better": {"kind": "loop", "of": "mt", "rounds": 2, "body": body}}
    pipeline = read_pipeline({"nodes": nodes, "source_language": "en", "target_language": "de"})
    for number, present in ((1, "mt"), (2, "better-1")):
        node = pipeline.nodes[f"better-{number}-again"]
        assert node.of == (present, f"better-{number}-back")
        assert node.display_names == ("better", "back")


def test_inside_a_loop_models_and_ways_have_the_names_of_the_round() -> None:
    body = {
        "soup": {"kind": "merge", "recipe": "soup.yaml"},
        "short": {"kind": "route", "of": "better", "by": "length", "below": 3},
        "back": {"kind": "translate", "of": "better", "to": "source", "when": "short.escalate"},
        "again": {"kind": "translate", "of": "back", "model": "node:soup"},
        "join": {"kind": "select", "of": ["again", "better"]},
    }
    nodes = {"mt": {"kind": "translate"}, "better": {"kind": "loop", "of": "mt", "rounds": 1, "body": body}}
    pipeline = read_pipeline({"nodes": nodes, "source_language": "en", "target_language": "de"})
    assert pipeline.nodes["better-1-again"].settings.model == "node:better-1-soup"  # type: ignore[attr-defined]
    assert pipeline.nodes["better-1-back"].when == ("better-1-short", "escalate")


def test_what_was_translated_back_is_neither_transcript_nor_translation() -> None:
    nodes = {
        "asr": {"kind": "recognize"},
        "mt": {"kind": "translate", "of": "asr"},
        "back": {"kind": "translate", "of": "mt", "to": "source"},
        "words": {"kind": "python", "file": "s.py", "function": "f", "of": ["asr", "back"]},
    }
    pipeline = read_pipeline({"nodes": nodes, "source_language": "en", "target_language": "de"})
    assert pipeline.outputs == {"transcript": "asr", "translation": "mt"}
    assert [name for name in nodes if pipeline.is_spoken(name)] == ["asr"]
