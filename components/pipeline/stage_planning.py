"""What decides one node's outputs, as the plan of its stage: settings, models, files, libraries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.checkpoint_references import split_step
from components.compute.machine import resolve_device_type
from components.errors import ConfigError
from components.files.digests import file_digest
from components.models import pin_references
from components.models.adapted_references import join_adapters, replace_references, split_adapters
from components.models.architecture_lookup import find_architecture
from components.nodes.node_context import NodeContext
from components.pipeline.pipeline import NODE, Node, Pipeline
from components.run_record import StageRef
from components.storage.stages.stage_plan import StagePlan, library_versions

WeightDigests = Callable[[Mapping[str, str], str | None], dict[str, str]]
"""Computes the digests of models' files, from their references by role and the URL of the store."""


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
    made_here = {
        role: f"store:{upstream[role]}{_checkpoint_steps(node).get(role, '')}" for role in node.model_nodes
    }
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


def _models_elsewhere(node: Node) -> dict[str, str]:
    """Return references of a node's models by role, without the parts of them that other nodes make."""
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


def _checkpoint_steps(node: Node) -> dict[str, str]:
    """Steps of checkpoints that another node keeps: the key of its stage does not say which. By role."""
    parts = {role: split_adapters(model)[0] for role, model in node.models.items() if NODE in model}
    steps = {role: split_step(base)[1] for role, base in parts.items()}
    return {role: step for role, step in steps.items() if step}


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
    if steps := _checkpoint_steps(node):
        parameters["checkpoint_steps"] = steps
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
        return _architecture_of(pipeline, split_step(base)[0].removeprefix(NODE), store)
    return find_architecture(base, store)


def with_pinned_models(node: Node, store: str | None) -> Node:
    """Return a node whose models that are named by a run, ``store:RUN``, are named by their keys.

    A run's name may be given to another run, or be changed; a key stays.
    """
    pinned = pin_references(node.models, store)
    return replace(node, settings=replace_references(node.settings, pinned)) if pinned else node


def with_tables(context: NodeContext, node: Node, refs: Mapping[str, StageRef]) -> NodeContext:
    """Return the context of a node once the tables and models that it reads are finished."""
    return replace(context, tables={role: refs[name] for role, name in node.tables.items()})


def with_models(settings: Any, node: Node, keys: Mapping[str, str]) -> Any:
    """Return settings in which the models that other nodes made are ``store:KEY``."""
    references = {f"{NODE}{name}": f"store:{keys[name]}" for name in node.tables.values()}
    return replace_references(settings, references)
