"""A graph that is served: its nodes, built once from the plans that a run would have, and its key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from components.compute.machine import resolve_device_name
from components.errors import ConfigError
from components.files.canonical_json import digest_of
from components.nodes.facts import Mode
from components.nodes.node_context import Component, Item
from components.pipeline.items.item_gatherer import ItemGatherer
from components.pipeline.pipeline import DATA, Node, Pipeline
from components.pipeline.planning import NodePlan
from components.pipeline.stage_planning import with_models, with_tables
from components.records import NodeOutcome, Utterance
from components.run_record import StageRef
from components.storage.store import Store

LIGHT = "light"
"""The lane of nodes without torch: routes, choices, own programs."""
Outcomes = Mapping[str, NodeOutcome]
"""Node -> what it gave for one utterance; a node that had nothing to do is not there."""


@dataclass(frozen=True)
class ServedNode:
    """A node of a graph whose requests are computed as they come.

    Attributes:
        node: the node.
        component: it, built; a batch of items to an outcome each.
        gatherer: makes its items.
        follows: the nodes whose outcomes it reads.
        lane: nodes of one lane compute one after the other.
        depth: how far downstream it is.
        device: of its random numbers; None where it draws none.
        seed: likewise.
        plan: what decides its outputs.
    """

    node: Node
    component: Component
    gatherer: ItemGatherer
    follows: tuple[str, ...]
    lane: str
    depth: int
    device: str | None
    seed: int
    plan: NodePlan

    @property
    def name(self) -> str:
        """Its name in the graph."""
        return self.node.name

    @contextmanager
    def on_device(self, threads: int) -> Iterator[None]:
        """Compute with the node's random numbers, by so many threads of torch."""
        if self.device is None:
            yield
            return
        from components.compute.device import seed_device, use_threads  # noqa: PLC0415 - imports torch

        with use_threads(threads):
            seed_device(self.device, self.seed)
            yield

    def gather(self, utterance: Utterance, outcomes: Outcomes) -> Item | None:
        """Return the item that it computes of a request; None where it has nothing to do."""
        read = {name: {utterance.id: outcomes[name]} for name in self.follows if name in outcomes}
        return next(iter(self.gatherer.gather([utterance], read)), None)


@dataclass(frozen=True)
class ServedGraph:
    """A graph whose nodes are built.

    Attributes:
        name: under which clients ask for it.
        pipeline: the graph.
        nodes: those that compute requests, in order.
        pinned: finished stage that nodes read -> its key.
    """

    name: str
    pipeline: Pipeline
    nodes: Mapping[str, ServedNode]
    pinned: Mapping[str, str]

    @property
    def key(self) -> str:
        """The digest of everything that decides its texts, tables included."""
        nodes = {
            name: (served.plan.stage.fingerprint, served.node.reads, served.node.when)
            for name, served in self.nodes.items()
        }
        return digest_of([nodes, self.pinned, self.outputs, self.pipeline.languages])

    @property
    def outputs(self) -> Mapping[str, str]:
        """Role (transcript, translation) -> the node whose texts they are."""
        return self.pipeline.outputs

    @property
    def hears(self) -> bool:
        """Whether it reads speech."""
        return any(
            "speech" in served.node.kind.reads and DATA in served.node.of for served in self.nodes.values()
        )

    def nodes_for(self, output: str) -> tuple[str, ...]:
        """Return the nodes that the output of a role needs, in order."""
        needed = self.pipeline.subgraph_of(self.outputs[output]).nodes
        return tuple(name for name in self.nodes if name in needed)

    def times_words(self, name: str) -> bool:
        """Return whether a node's texts may have times of words: what is translated from a text has none."""
        node = self.nodes[name].node
        stated: bool | None = getattr(node.settings, "word_times", None)
        if stated is not None:
            return stated
        hears = "speech" in node.kind.reads and DATA in node.of  # in a way that is not known
        return hears or (not node.translates and any(map(self.times_words, self.nodes[name].follows)))


def whole_nodes(pipeline: Pipeline) -> list[Node]:
    """Return the nodes made in one piece that those which compute requests read: they must be finished."""
    read = {name for node in live_nodes(pipeline) for name in node.reads.values()}
    return [node for node in pipeline if node.name in read and node.kind.mode.is_whole]


def live_nodes(pipeline: Pipeline) -> list[Node]:
    """Return the nodes that compute requests: those over the data that the outputs need.

    Raises:
        ConfigError: one of them cannot compute a request alone.
    """
    needed = {name for role in pipeline.outputs.values() for name in pipeline.subgraph_of(role).nodes}
    nodes = []
    for node in pipeline:
        if node.name not in needed or node.output == "data" or pipeline.data_of(node.name) != DATA:
            continue
        if node.facts.stage is not None:
            raise ConfigError(
                f"{node.name}: expected a node that computes, found the texts of a finished stage"
            )
        if not node.kind.mode.is_whole:
            nodes.append(node)
        elif node.kind.mode is Mode.BY_HAND or node.output in ("text", "speech"):
            raise ConfigError(
                f"{node.name}: expected nodes that compute an utterance alone, found {node.kind.name}, which "
                "reads whole data sets; serve a graph without it"
            )
    if not nodes:
        raise ConfigError("outputs: expected a node that gives texts, found none")
    return nodes


def build_graph(
    name: str,
    pipeline: Pipeline,
    plans: Mapping[str, NodePlan],
    finished: Mapping[str, StageRef],
    store: Store,
) -> ServedGraph:
    """Build the nodes of a graph; their models are loaded.

    Args:
        name: under which clients ask for it.
        pipeline: the graph.
        plans: of its nodes.
        finished: the stages of its nodes that are made in one piece.
        store: where these are.
    """
    refs = {role: store.localize(ref) for role, ref in finished.items()}
    keys = {node: plan.stage.key for node, plan in plans.items()} | {
        node: ref.key for node, ref in refs.items()
    }
    live = [node.name for node in live_nodes(pipeline)]
    nodes = {node: _build_node(pipeline, plans[node], refs, keys, live) for node in live}
    return ServedGraph(name, pipeline, nodes, {node: ref.key for node, ref in refs.items()})


def _build_node(
    pipeline: Pipeline,
    plan: NodePlan,
    refs: Mapping[str, StageRef],
    keys: Mapping[str, str],
    live: Sequence[str],
) -> ServedNode:
    node = plan.node
    settings = with_models(node.settings, node, keys)
    context = with_tables(plan.context, node, refs)
    gatherer = ItemGatherer(pipeline, node)
    uses_torch = "torch" in plan.stage.libraries
    device = node.kind.facts(settings).device
    return ServedNode(
        node=node,
        component=node.kind.build(settings, context),
        gatherer=gatherer,
        follows=tuple(followed for followed in gatherer.followed if followed in live),
        lane=f"node:{node.name}" if device is None else resolve_device_name(device) if uses_torch else LIGHT,
        depth=pipeline.depth_of(node.name),
        device=device if uses_torch else None,
        seed=plan.context.seed,
        plan=plan,
    )
