"""Graphs whose nodes a test writes as functions: they are served without a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from components.nodes.node_context import Item
from components.pipeline.items.item_gatherer import ItemGatherer
from components.pipeline.pipeline import DATA
from components.pipeline.planning import NodePlan
from components.records import Hypothesis, NBest, NodeOutcome, Segment, Word
from components.serving.graph import LIGHT, ServedGraph, ServedNode, live_nodes
from components.storage.stages.stage_plan import StagePlan
from tests.graph_text import parse_pipeline

Function = Callable[[Sequence[Item]], Sequence[NodeOutcome | None]]

PLAIN_CASCADE = """
source_language: en
target_language: de
nodes:
  asr: {kind: recognize, model: "packaged:whisper-tiny.en"}
  mt: {kind: translate, of: asr, model: "packaged:multi30k-en-de"}
"""
CASCADE = """
source_language: en
target_language: de
nodes:
  fast: {kind: recognize, model: "packaged:whisper-tiny.en", word_times: true}
  doubt: {kind: route, of: fast, by: mean_log_prob, below: -1}
  good: {kind: recognize, model: "packaged:whisper-base", when: doubt.escalate}
  asr: {kind: select, of: [good, fast]}
  mt: {kind: translate, of: asr, model: "packaged:multi30k-en-de"}
"""


def text(item: Item, words: str, score: float = -1.0) -> NBest:
    """A text with a segment and its words."""
    seconds = item.utterance.audio.seconds if item.utterance.audio else 1.0
    parts = words.split()
    step = seconds / max(1, len(parts))
    timed = tuple(Word(start=n * step, end=(n + 1) * step, text=f" {part}") for n, part in enumerate(parts))
    segments = (Segment(start=0, end=seconds, text=words, words=timed),) if item.utterance.audio else ()
    best = Hypothesis(text=words, score=score, n_tokens=1, system="test", segments=segments)
    return NBest(utterance_id=item.utterance.id, hypotheses=(best,), language=item.utterance.source_language)


def each(function: Callable[[Item], NodeOutcome | None]) -> Function:
    """A component that computes item by item."""
    return lambda items: [function(item) for item in items]


def hear(item: Item) -> NBest:
    """What is heard of a recording: how long it is; long ones with doubt."""
    seconds = item.utterance.audio.seconds
    return text(item, f"heard {seconds:.2f}", -2.0 if seconds > 2 else -0.5)


def hear_well(item: Item) -> NBest:
    """The same by the better recognizer."""
    return text(item, f"heard {item.utterance.audio.seconds:.2f} well", -0.1)


def translate(item: Item) -> NBest:
    """A translation of the text that is read."""
    return text(item, f"{item.utterance.target_language}: {item.utterance.text}")


COMPONENTS: dict[str, Function] = {"fast": each(hear), "good": each(hear_well), "mt": each(translate)}


def make_graph(components: Mapping[str, Function] = COMPONENTS, written: str = CASCADE) -> ServedGraph:
    """A graph whose components are those named, and the kinds' own where none is."""
    pipeline = parse_pipeline(written)
    live = live_nodes(pipeline)
    names = [node.name for node in live]
    nodes = {}
    for node in live:
        context = pipeline.context_of(node, None, 0)
        plan = NodePlan(node, context, StagePlan(stage=node.name, kind=node.kind.name, version="1"), DATA)
        component = components.get(node.name) or node.kind.build(node.settings, context)
        gatherer = ItemGatherer(pipeline, node)
        follows = tuple(name for name in gatherer.followed if name in names)
        lane = "models" if node.name in components else LIGHT
        depth = pipeline.depth_of(node.name)
        nodes[node.name] = ServedNode(node, component, gatherer, follows, lane, depth, None, 0, plan)
    return ServedGraph("cascade", pipeline, nodes, {})
