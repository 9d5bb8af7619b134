"""Rounds as nodes: what refine and loop stand for, what is refused of them, what each round reads."""

from __future__ import annotations

from typing import Any

import pytest

from components.errors import ConfigError
from components.nodes.node_context import NodeContext
from components.pipeline.items.item_gatherer import ItemGatherer
from components.pipeline.pipeline import Pipeline
from components.pipeline.reading.reader import read_pipeline
from components.records import Checkpoint, Decision, NBest
from components.refining.kinds.loop import LoopRound, LoopRoundSettings
from components.refining.kinds.refine import Refine, RefineRound, RefineRoundSettings
from components.refining.kinds.rounds import MAX_ROUNDS
from tests.components.pipeline.items.test_item_gatherer import bad, by_id, spoken, text, written
from tests.graph_text import parse_pipeline

MT: dict[str, dict[str, Any]] = {"asr": {"kind": "recognize"}, "mt": {"kind": "translate", "of": "asr"}}
LOOP = """
source_language: en
target_language: de
nodes:
  asr: {kind: recognize}
  mt: {kind: translate, of: asr}
  better:
    kind: loop
    of: mt
    rounds: 2
    body:
      back: {kind: translate, of: better, to: en}
      critic: {kind: select, of: [back, asr]}
      fix:
        {kind: refine, of: [better, critic], gate: "off"}
"""


def graph(**nodes: dict[str, Any]) -> Pipeline:
    return read_pipeline({"nodes": {**MT, **nodes}, "source_language": "en", "target_language": "de"})


def test_each_round_of_refine_reads_the_draft_and_the_rounds_before_it() -> None:
    pipeline = graph(last={"kind": "refine", "of": "mt", "rounds": 3})
    assert [pipeline.nodes[f"last-{n}"].of for n in (1, 2, 3)] == [
        ("mt",),
        ("mt", "last-1"),
        ("mt", "last-1", "last-2"),
    ]
    assert pipeline.outputs["translation"] == "last-3"
    assert [node.facts.is_scored for node in pipeline][-3:] == [False, False, True]
    assert pipeline.nodes["last-1"].origin == "asr"
    assert pipeline.user_name_of("last-2") == "last"


def test_a_critics_words_are_not_scored_as_translations() -> None:
    critic = {"kind": "command", "run": ["cat"], "format": "text", "of": "better"}
    body = {"words": critic, "fix": {"kind": "refine", "of": ["better", "words"], "gate": "off"}}
    pipeline = graph(better={"kind": "loop", "of": "mt", "rounds": 2, "body": body})
    scored = {node.name: node.scored for node in pipeline.to_record().nodes}
    assert [scored[f"better-{n}-words"] for n in (1, 2)] == [False, False]
    assert scored["mt"] and scored["better-1-fix-1"]


def test_a_round_reads_the_source_of_its_draft() -> None:
    """What passed the recognizer was translated as it is written; a draft that failed goes no further."""
    pipeline = graph(last={"kind": "refine", "of": "mt", "rounds": 2})
    outcomes = {
        "asr": by_id(text("u1", "a dog")),
        "mt": by_id(text("u1", "ein Hund"), bad("u2"), text("u3", "eine Katze")),
        "last-1": by_id(text("u1", "der Hund"), text("u3", "die Katze")),
    }
    data = [spoken("u1"), spoken("u2"), written("u3", "a cat")]
    items = ItemGatherer(pipeline, pipeline.nodes["last-2"]).gather(data, outcomes)
    assert [(i.utterance.id, i.utterance.text, i.utterance.target_language) for i in items] == [
        ("u1", "a dog", "de"),
        ("u3", "a cat", "de"),
    ]
    assert list(items[0].inputs) == ["mt", "last-1"]


def test_a_transcript_is_refined_in_its_own_language() -> None:
    pipeline = graph(words={"kind": "refine", "of": "asr", "rounds": 1, "gate": "off"})
    (item,) = ItemGatherer(pipeline, pipeline.nodes["words-1"]).gather(
        [spoken("u1"), written("u2", "as it is")], {"asr": by_id(text("u1", "a dock"))}
    )
    assert (item.utterance.source_language, item.utterance.target_language) == ("en", "en")
    assert pipeline.context_of(pipeline.nodes["words-1"], None, 0).transcripts


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"gate": "forward"}, "gate forward: expected a translation"),
        ({"gate": "off", "method": "deliberation"}, "method deliberation: expected a translation"),
    ],
)
def test_what_needs_a_source_text_refuses_transcripts(settings: dict[str, Any], fault: str) -> None:
    checked = RefineRoundSettings.model_validate({"model": "packaged:multi30k-en-de", **settings})
    with pytest.raises(ConfigError, match=fault):
        RefineRound().check(checked, NodeContext("words-1", transcripts=True))


def test_another_critics_words_are_for_self_refine_and_about_the_draft(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from components.nodes.node_context import Item
    from components.refining import rounds

    asked: list[Any] = []

    class Refiner:
        def __init__(self, settings: RefineRoundSettings, store: str | None) -> None: ...

        def run_round(self, *arguments: Any) -> list[NBest]:
            asked.append(arguments)
            return [text("u1", "better")]

    critic = RefineRoundSettings(model="m", method="deliberation", criticized=True)
    with pytest.raises(ConfigError, match="of: expected method self_refine to read the critic's words"):
        RefineRound().check(critic, NodeContext("last-1"))
    monkeypatch.setattr(rounds, "Refiner", Refiner)
    draft, words = text("u1", "draft"), text("u1", "wrong article")
    read = Item(utterance=spoken("u1"), inputs={"mt": draft, "critic": words})
    settings = RefineRoundSettings(model="m", criticized=True, gate="off", left=1)
    RefineRound().build(settings, NodeContext("last-1"))([read])
    assert asked == [([read.utterance], [[draft]], 1, ["wrong article"])]


def test_a_loops_gate_is_checked_as_that_of_refine(monkeypatch: pytest.MonkeyPatch) -> None:
    from components.refining import checks

    kind, pairs = LoopRound(), frozenset({("en", "de")})
    kind.check(LoopRoundSettings(gate="off"), NodeContext("loop-1", transcripts=True))
    with pytest.raises(ConfigError, match=r"gate forward: expected a translation, .* found a transcript"):
        kind.check(LoopRoundSettings(gate="forward"), NodeContext("loop-1", transcripts=True))
    model = Checkpoint(reference="m", path="/x", sha256="0" * 64, architecture="MarianMTModel")
    monkeypatch.setattr(checks, "resolve_text_model", lambda *_: model)
    kind.validate_models(LoopRoundSettings(gate="off"), NodeContext("loop-1"), pairs)
    with pytest.raises(ConfigError, match="gate_model: expected a causal language model for fluency"):
        kind.validate_models(LoopRoundSettings(gate="fluency", gate_model="m"), NodeContext("loop-1"), pairs)


def test_an_utterance_that_was_stopped_is_idle_unless_its_draft_was() -> None:
    from components.nodes.node_context import Item
    from components.pipeline.items.item_gatherer import has_stopped

    stopped = text("u1", "x", decision=Decision(round=1, accepted=True, stopped="cycle"))
    draft = text("u1", "x")
    assert has_stopped(Item(utterance=spoken("u1"), inputs={"mt": draft, "a-1": stopped}))
    assert not has_stopped(Item(utterance=spoken("u1"), inputs={"b-1": stopped}))


def test_a_loop_is_its_body_round_by_round() -> None:
    pipeline = parse_pipeline(LOOP)
    reads = {node.name: (node.of, node.when) for node in pipeline if node.name.startswith("better")}
    going = ("better-1", "going")
    assert reads == {
        "better-1-back": (("mt",), None),
        "better-1-critic": (("better-1-back", "asr"), None),
        "better-1-fix-1": (("mt", "better-1-critic"), None),
        "better-1": (("mt", "better-1-fix-1"), None),
        "better-2-back": (("better-1",), going),
        "better-2-critic": (("better-2-back", "asr"), going),
        "better-2-fix-1": (("better-1", "better-2-critic"), going),
        "better-2": (("mt", "better-1", "better-2-fix-1"), going),
        "better": (("better-2", "better-1", "mt"), None),
    }
    assert pipeline.outputs == {"transcript": "asr", "translation": "better"}
    assert pipeline.language_of("better") == "target"


@pytest.mark.timeout(60)
def test_as_many_rounds_as_there_may_be_are_no_more_questions_than_nodes() -> None:
    pipeline = parse_pipeline(LOOP.replace("rounds: 2", f"rounds: {MAX_ROUNDS}"))
    assert pipeline.depth_of("better") == 3 + 4 * MAX_ROUNDS
    assert pipeline.speech_of("better") == "data"


FAULTS = {
    "no rounds": (("    rounds: 2\n", ""), "f.yaml:7: better.rounds: expected a value, found none"),
    "no body": (("body:", "bdy:"), "better.bdy: loop has no such setting; did you mean body?"),
    "nothing changes": (
        ("of: [better, critic], gate", "of: [mt, asr], gate"),
        "f.yaml:7: better: body: expected its last node, fix, to read better",
    ),
    "a rule without a clock": (
        ("rounds: 2", "rounds: 2\n    stop: [seconds]"),
        "better: stop: expected rules that a loop has, found seconds",
    ),
    "of data": (("    of: mt\n", ""), "better: of: expected the node whose text the loop begins with"),
    "a fault of the body": (
        ("back: {kind: translate,", "back: {kind: tranlate,"),
        "f.yaml:12: better.body.back",
    ),
    "a setting of the body": (
        ('critic], gate: "off"', "critic], gat: x"),
        "f.yaml:15: better.body.fix.gat: refine has no such setting; did you mean gate?",
    ),
    "another language": (
        ('      fix:\n        {kind: refine, of: [better, critic], gate: "off"}\n', ""),
        "f.yaml:9: better.of: expected texts in one language, found mt .de. and better.body.critic .en.",
    ),
    "more rounds than words": (
        ('gate: "off"}', 'gate: "off", rounds: 2}'),
        "better.body.fix: rounds: expected 1, as better-1-critic's words are about",
    ),
}


@pytest.mark.parametrize(("change", "fault"), FAULTS.values(), ids=FAULTS)
def test_what_is_wrong_of_a_loop_is_a_line_however_many_rounds(change: tuple[str, str], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault) as caught:
        parse_pipeline(LOOP.replace(*change), "f.yaml")
    lines = str(caught.value).split("\n")
    assert len(lines) == len(set(lines))


def test_refine_reads_a_node_and_no_data() -> None:
    with pytest.raises(ConfigError, match="of: expected the node whose text is refined"):
        Refine().expand("a", {"kind": "refine", "of": "data"})
