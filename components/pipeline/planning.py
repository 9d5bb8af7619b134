"""Plans of nodes: what decides each node's outputs, and its key, known before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from components.nodes.node_context import NodeContext
from components.pipeline.items.idle_nodes import find_idle_nodes
from components.pipeline.pipeline import DATA, Node, Pipeline
from components.pipeline.reuse.equivalent_reuse import Equivalents, alike_shard, alike_stage, find_equivalents
from components.pipeline.stage_planning import (
    WeightDigests,
    complete_node,
    make_stage_plan,
    with_pinned_models,
)
from components.run_record import StageRef
from components.storage.shards.shard import shard_key
from components.storage.stages.reader import read_shards
from components.storage.stages.seal import Seal
from components.storage.stages.stage_plan import StagePlan
from components.storage.store import Store


@dataclass(frozen=True)
class NodePlan:
    """A node, its site, and the plan of its stage.

    Attributes:
        node: the node.
        context: where it computes.
        stage: the plan.
        own: the data set whose utterances it computes; None of a node that reads whole stages alone.
        shards: for each shard of that what is read, role -> identity; empty where no shard is computed.
        shard_keys: the keys of its shards, in their order; empty of what is made whole.
        alike: what each shares with those that differ by numerics alone.
        equivalents: numerics of others that are reused -> how many shards, or stages.
    """

    node: Node
    context: NodeContext
    stage: StagePlan
    own: str | None = None
    shards: tuple[Mapping[str, str], ...] = ()
    shard_keys: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    equivalents: Mapping[str, int] = field(default_factory=dict)

    def work_of(self, number: int) -> tuple[str, str | None, Mapping[str, str]]:
        """Return key of a shard, what it shares with those alike, and what it reads, role -> identity."""
        if not self.shards:
            return "", None, {}
        return self.shard_keys[number], self.alike[number], self.shards[number]

    def is_exact(self, number: int) -> bool:
        """Return whether a shard is the one that this machine would compute, not an equivalent one."""
        key = self.shard_keys[number] if self.shards else ""
        return not self.shards or key == shard_key(self.stage.fingerprint, self.shards[number])


class _Identities:
    """What stands for nodes and data sets in the keys of those that read them.

    Attributes:
        whole: name -> what stands for all of it.
        by_shard: name -> what stands for each of its shards.
    """

    def __init__(self, data: Mapping[str, StageRef]) -> None:
        self.whole = {name: ref.content or ref.key for name, ref in data.items()}
        self.by_shard = {
            name: tuple(shard.identity for shard in read_shards(ref)) for name, ref in data.items()
        }

    def add(self, name: str, whole: str, by_shard: tuple[str, ...]) -> None:
        """Add a planned node."""
        self.whole[name], self.by_shard[name] = whole, by_shard

    def of_whole(self, node: Node, own: str | None, *, shards: bool) -> dict[str, str]:
        """Return what a node reads whole, role -> identity; of one that computes shards, its tables alone."""
        if shards:
            return {role: self.whole[name] for role, name in node.tables.items()}
        read = {role: self.whole[name] for role, name in node.reads.items()}
        return read if own is None else {**read, DATA: self.whole[own]}  # whose utterances it computes

    def of_shards(self, pipeline: Pipeline, node: Node) -> tuple[dict[str, str], ...]:
        """Return for each shard of a node's data set what the node reads of it, role -> identity.

        What is made in one piece stands in every shard.
        """
        own = self.by_shard[pipeline.data_of(node.name)]
        followed = {DATA: own}
        for role, name in node.reads.items():
            if role not in node.tables:
                # A node over another data set is read whole.
                aligned = pipeline.data_of(name) == pipeline.data_of(node.name)
                by_shard = self.by_shard[name] if aligned else ()
                followed[role] = by_shard or (self.whole[name],) * len(own)
        return tuple(
            {role: shards[number] for role, shards in followed.items()} for number in range(len(own))
        )


def plan_nodes(
    pipeline: Pipeline, data: Mapping[str, StageRef], store: str | None, seed: int, weights: WeightDigests
) -> dict[str, NodePlan]:
    """Plan every node but data sets, in the order of the pipeline.

    Args:
        pipeline: the graph.
        data: the data sets by name.
        store: URL of the store.
        seed: of the run.
        weights: computes the digests of models.

    Raises:
        AntiphonError: a model or a file is missing; the message names the node.
    """
    identities, alike = _Identities(data), _Identities(data)
    equivalent = find_equivalents(store)
    idle = find_idle_nodes(pipeline, data)
    plans: dict[str, NodePlan] = {}
    written = (complete_node(pipeline, node, store) for node in pipeline if not pipeline.is_data(node.name))
    for node in (with_pinned_models(node, store) for node in written):
        context = pipeline.context_of(node, store, seed)
        own = pipeline.data_of(node.name) if node.kind.mode.reads_items else None
        by_shard = not node.kind.mode.is_whole and node.facts.stage is None
        seal = None if node.facts.stage is None else Store(store).load_seal(node.facts.stage)
        if seal is not None:
            stage = StagePlan.model_validate(seal.plan)
        else:
            read = identities.of_whole(node, own, shards=by_shard)
            stage = make_stage_plan(node, context, read, weights, is_idle=node.name in idle)
            shared = alike_stage(stage, alike.of_whole(node, own, shards=by_shard))
            stage = stage.model_copy(update={"alike": shared})
        planned = NodePlan(node, context, stage, own)
        if by_shard:
            planned = _plan_shards(planned, pipeline, identities, alike, equivalent)
        elif seal is not None and own is not None:
            planned = _take_stored_shards(planned, seal, identities.by_shard[own])
        elif equivalent is not None and (found := equivalent.find_stage(stage)) is not None:
            stage = Store(store).load_plan(found.key)
            planned = replace(planned, stage=stage, equivalents={found.describe(): 1})
        plans[node.name] = planned
        identities.add(node.name, planned.stage.key, planned.shard_keys)
        alike.add(node.name, planned.stage.alike or planned.stage.key, planned.alike)
    return plans


def _plan_shards(
    planned: NodePlan,
    pipeline: Pipeline,
    identities: _Identities,
    alike: _Identities,
    equivalent: Equivalents | None,
) -> NodePlan:
    """Return a plan with the shards of its node: the exact ones, or equivalent ones that are stored."""
    stage = planned.stage
    shards = identities.of_shards(pipeline, planned.node)
    keys = [shard_key(stage.fingerprint, read) for read in shards]
    shared = [alike_shard(str(stage.alike), read) for read in alike.of_shards(pipeline, planned.node)]
    equivalents: Mapping[str, int] = {}
    if equivalent is not None:
        keys, equivalents = equivalent.choose_shards(keys, shared)
    return replace(
        planned,
        stage=stage.with_shards(keys),
        shards=shards,
        shard_keys=tuple(keys),
        alike=tuple(shared),
        equivalents=equivalents,
    )


def _take_stored_shards(planned: NodePlan, seal: Seal, data: tuple[str, ...]) -> NodePlan:
    """Return the plan of a finished stage with its shards, where each was made of one of the data."""
    if len(seal.shards) != len(data):
        return planned
    store = Store(planned.context.store)
    headers = [store.find_shard(shard.key) for shard in seal.shards]
    made_of = tuple(header.read.get(DATA, ("", ""))[0] if header is not None else "" for header in headers)
    if made_of != data:
        return planned
    keys = tuple(shard.key for shard in seal.shards)
    return replace(planned, shard_keys=keys, alike=tuple(shard.alike or shard.key for shard in seal.shards))
