"""Plans of nodes: what decides each node's outputs, and its key, known before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from components.compute.machine import resolve_device_type
from components.errors import ConfigError
from components.files.digests import file_digest
from components.models import pin_references
from components.models.adapted_references import join_adapters, split_adapters
from components.models.architecture_lookup import find_architecture
from components.nodes.node_context import NodeContext
from components.pipeline.items.idle_nodes import find_idle_nodes
from components.pipeline.pipeline import DATA, NODE, Node, Pipeline, replace_references
from components.pipeline.reuse.equivalent_reuse import (
    Equivalents,
    alike_shard,
    alike_stage,
    find_equivalents,
)
from components.run_record import StageRef
from components.storage.shards.shard import shard_key
from components.storage.stages.reader import read_shards
from components.storage.stages.stage_plan import StagePlan, library_versions
from components.storage.store import Store

WeightDigests = Callable[[Mapping[str, str], str | None], dict[str, str]]
"""Computes the digests of models' files, from their references by role and the URL of the store."""


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
        self.whole[name] = whole
        if by_shard:
            self.by_shard[name] = by_shard

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
                followed[role] = self.by_shard.get(name, ()) if aligned else ()
                followed[role] = followed[role] or (self.whole[name],) * len(own)
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
        by_shard = own is not None and not node.kind.mode.is_whole and node.facts.stage is None
        stage = _find_stored_plan(node, store)
        if stage is None:
            read = identities.of_whole(node, own, shards=by_shard)
            stage = make_stage_plan(node, context, read, weights, is_idle=node.name in idle)
            shared = alike_stage(stage, alike.of_whole(node, own, shards=by_shard))
            stage = stage.model_copy(update={"alike": shared})
        planned = NodePlan(node, context, stage, own)
        if by_shard:
            planned = _plan_shards(planned, pipeline, identities, alike, equivalent)
        elif node.facts.stage is not None and own is not None:
            planned = _take_stored_shards(planned, identities.by_shard[own])
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


def _take_stored_shards(planned: NodePlan, data: tuple[str, ...]) -> NodePlan:
    """Return the plan of a finished stage with its shards, where each was made of one of the data."""
    store = Store(planned.context.store)
    entries = store.load_seal(planned.stage.key).shards
    if len(entries) != len(data):
        return planned
    headers = [store.find_shard(entry.key) for entry in entries]
    made_of = tuple(header.read.get(DATA, ("", ""))[0] if header is not None else "" for header in headers)
    if made_of != data:
        return planned
    keys = tuple(entry.key for entry in entries)
    alike = tuple(str(entry.alike or entry.key) for entry in entries)
    return replace(planned, shard_keys=keys, alike=alike)


def make_stage_plan(
    node: Node,
    context: NodeContext,
    upstream: Mapping[str, str],
    weights: WeightDigests,
    *,
    is_idle: bool = False,
) -> StagePlan:
    """Plan one node: everything that decides its outputs.

    Args:
        node: the node.
        context: where it computes.
        upstream: role -> key of what it reads whole.
        weights: computes the digests of models.
        is_idle: whether it computes nothing, so that no model decides anything.
    """
    kind, settings, facts = node.kind, node.settings, node.facts
    elsewhere = _models_elsewhere(node)
    made_here = {role: f"store:{upstream[role]}" for role in node.model_nodes}
    try:
        inputs = {role: file_digest(Path(path)) for role, path in facts.files.items()}
    except OSError as error:
        raise ConfigError(f"{node.name}: expected a readable file, found {error}") from error
    return StagePlan(
        stage=node.name,
        kind=kind.name,
        version=facts.version,
        parameters=_key_parameters(node, context),
        upstream=dict(upstream),
        inputs=inputs if is_idle else inputs | kind.digests(settings, context),
        weights={} if is_idle else weights(elsewhere, context.store),
        seed=context.seed if facts.seed is None else facts.seed,
        libraries=library_versions(facts.libraries),
        models={**node.models, **elsewhere, **made_here},
    )


def _find_stored_plan(node: Node, store: str | None) -> StagePlan | None:
    """Return the plan of the finished stage that is used instead of computing, if the node names one.

    Raises:
        AntiphonError: it is missing.
    """
    return None if node.facts.stage is None else Store(store).load_plan(node.facts.stage)


def _models_elsewhere(node: Node) -> dict[str, str]:
    """References of a node's models by role, without the parts of them that other nodes make."""
    elsewhere = {}
    for role, model in node.models.items():
        base, adapters = split_adapters(model)
        parts = [a for a in adapters if not a.reference.startswith(NODE)]
        if not base.startswith(NODE):
            elsewhere[role] = join_adapters(base, tuple(parts))
        else:
            elsewhere |= {f"{role}+{number}": part.reference for number, part in enumerate(parts, 1)}
    return elsewhere


def _adapter_weights(node: Node) -> dict[str, list[float]]:
    """Weights of adapters of which another node makes one: no digest of a model holds them. By role."""
    weights = {role: split_adapters(model)[1] for role, model in node.models.items() if NODE in model}
    return {role: [adapter.weight for adapter in adapters] for role, adapters in weights.items() if adapters}


def _key_parameters(node: Node, context: NodeContext) -> dict[str, Any]:
    parameters = node.kind.parameters(node.settings, context)
    device = node.facts.device
    if device is not None and "torch" in node.facts.libraries:
        parameters["device"] = resolve_device_type(device)
    if node.when is not None:
        parameters["when"] = node.when[1]
    if node.translates:
        parameters["to"] = node.to or context.languages[1]
    if weights := _adapter_weights(node):
        parameters["adapter_weights"] = weights
    return parameters


def complete_node(pipeline: Pipeline, node: Node, store: str | None) -> Node:
    """Return a node with what its models' configurations decide, those of models made here included."""
    made = {f"{NODE}{name}": _architecture_of(pipeline, name, store) for name in node.model_nodes.values()}
    return replace(node, settings=node.kind.complete(node.settings, store, made))


def _architecture_of(pipeline: Pipeline, name: str, store: str | None) -> str:
    """Return the architecture of the model that a node makes; empty where nothing says it."""
    maker = pipeline.nodes[name]
    base = split_adapters(next(iter(maker.models.values()), ""))[0]
    if maker.facts.architecture or not base:
        return maker.facts.architecture
    if base.startswith(NODE):
        return _architecture_of(pipeline, base.removeprefix(NODE), store)
    return find_architecture(base, store)


def with_pinned_models(node: Node, store: str | None) -> Node:
    """Return a node whose models that are named by a run, ``store:RUN``, are named by their keys.

    A run's name may be given to another run, or be changed; a key stays.
    """
    pinned = pin_references(node.models, store)
    return replace(node, settings=replace_references(node.settings, pinned)) if pinned else node


def with_tables(context: NodeContext, node: Node, refs: Mapping[str, StageRef]) -> NodeContext:
    """Return the site of a node once the tables and models that it reads are finished."""
    return replace(context, tables={role: refs[name] for role, name in node.tables.items()})


def with_models(settings: Any, node: Node, keys: Mapping[str, str]) -> Any:
    """Return settings in which the models that other nodes made are ``store:KEY``."""
    references = {f"{NODE}{name}": f"store:{keys[name]}" for name in node.tables.values()}
    return replace_references(settings, references)
