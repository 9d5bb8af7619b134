"""Fewer experts: the most important ones of every layer stay (pruning), or alike ones become one (merging).

A layer is reduced to clusters of its experts. A pruned layer has clusters of one. In a merged one an expert's
weights are the mean of its cluster's, weighted by the slots that the trace counted (M-SMoE, Li et al., 2024;
clusters by average linkage, as HC-SMoE, Chen et al., 2024). The router keeps the row of the most used expert
of a cluster, with its biases: no row computes what a cluster's rows computed together, so tokens that
preferred a rarer member are compared by another row than before.

The model that comes out has nothing of its own: its configuration says fewer experts, and transformers (ours:
:mod:`components.models.loaders.loading`) loads it by that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from components.errors import ConfigError, ModelError
from components.experts.reducing.clusters import Cluster, Method, check_keep, choose_clusters
from components.experts.reducing.sparse_checkpoint import (
    EXPERT_COUNTS,
    build_skeleton,
    kind_of,
    shape_of,
    stored_dtype,
)
from components.experts.reducing.sparse_layers import find_sparse_layers
from components.experts.reducing.trace import ExpertTrace
from components.models.loaders.loading import load_transformers
from components.records import Checkpoint


def reduce_experts(model: Any, clusters: Mapping[str, Sequence[Cluster]]) -> Any:
    """Return a model whose layers have one expert for each of their clusters; other weights are shared.

    Args:
        model: a model with experts, of transformers or ours.
        clusters: of every layer with experts, by name; all of one length.

    Raises:
        ModelError: something of the model depends on the number of experts in a way that is not known.
    """
    state = model.state_dict()
    n_experts = shape_of(model.config).n_experts
    config = _with_experts(model.config, n_experts, len(next(iter(clusters.values()))))
    reduced = build_skeleton(config, type(model).__name__)
    expected = {name: tuple(tensor.shape) for name, tensor in reduced.state_dict().items()}
    tensors = dict(_reduce_tensors(state, clusters, expected, n_experts))
    if tensors.keys() != expected.keys():
        odd = sorted(tensors.keys() ^ expected.keys())[0]
        raise ModelError(f"{odd}: expected the tensors of a model with fewer experts, found others")
    reduced.load_state_dict(tensors, strict=True, assign=True)
    for name, buffer in model.named_buffers():
        if name not in state:  # computed when a model is built, such as rotary frequencies
            parent, _, own = name.rpartition(".")
            reduced.get_submodule(parent).register_buffer(own, buffer, persistent=False)
    reduced.tie_weights()
    reduced.generation_config = model.generation_config
    return reduced.eval()


def _reduce_tensors(
    state: Mapping[str, Tensor],
    clusters: Mapping[str, Sequence[Cluster]],
    expected: Mapping[str, tuple[int, ...]],
    n_experts: int,
) -> Iterator[tuple[str, Tensor]]:
    """Give every tensor of the new model: those of the layers reduced, the others as they are."""
    for name, tensor in state.items():
        layer = next((each for each in clusters if name.startswith(f"{each}.")), None)
        if layer is None or (tuple(tensor.shape) == expected.get(name) and not _single_expert(layer, name)):
            if layer is not None and tensor.dim() and not tensor.is_floating_point():
                raise ModelError(
                    f"{name}: expected a router that computes its choices, found a table of them"
                )
            yield name, tensor
        elif single := _single_expert(layer, name):
            for position, each in enumerate(clusters[layer]):
                if each.row == int(single[2]):
                    parts = [state[f"{single[1]}{member}{single[3]}"] for member in each.members]
                    yield f"{single[1]}{position}{single[3]}", _mean(parts, each)
        else:
            axis = _expert_axis(name, tensor, expected.get(name, ()), n_experts)
            rows = tensor.movedim(axis, 0).unflatten(0, (n_experts, -1))  # type: ignore[no-untyped-call]
            is_expert = name.startswith(f"{layer}.experts.")
            parts = [
                _mean([rows[member] for member in each.members], each) if is_expert else rows[each.row]
                for each in clusters[layer]
            ]
            yield name, torch.stack(parts).flatten(0, 1).movedim(0, axis).contiguous()


def _single_expert(layer: str, name: str) -> re.Match[str] | None:
    """Match tensors of experts that are a module each (Switch): what is before the number, it, the rest."""
    return re.fullmatch("(" + re.escape(layer) + r"\.experts\.expert_)(\d+)(\..+)", name)


def _expert_axis(name: str, tensor: Tensor, expected: tuple[int, ...], n_experts: int) -> int:
    """Return the axis that the number of experts decides, the one whose length shall be another."""
    odd = [
        axis
        for axis, size in enumerate(expected)
        if tensor.dim() == len(expected) and size != tensor.shape[axis]
    ]
    if len(odd) != 1 or tensor.shape[odd[0]] % n_experts:
        raise ModelError(
            f"{name}: expected {n_experts} rows, one for each expert, found shape {tuple(tensor.shape)}; the "
            "experts of this model cannot be removed"
        )
    return odd[0]


def _mean(tensors: Sequence[Tensor], cluster: Cluster) -> Tensor:
    if len(tensors) == 1:
        return tensors[0]
    parts = zip(tensors, cluster.weights, strict=True)
    return torch.stack([tensor.double() * weight for tensor, weight in parts]).sum(0).to(tensors[0].dtype)


def _with_experts(config: Any, before: int, after: int) -> Any:
    """Return a configuration in which every number of experts that is ``before`` is ``after``."""

    def replaced(values: dict[str, Any]) -> dict[str, Any]:
        return {
            name: replaced(value)
            if isinstance(value, dict)
            else after
            if name in EXPERT_COUNTS and value == before
            else value
            for name, value in values.items()
        }

    return type(config).from_dict(replaced(config.to_dict()))


def reduce_checkpoint(
    checkpoint: Checkpoint,
    trace: ExpertTrace,
    keep: int,
    by: str,
    method: Method,
    folder: Path,
    seed: int = 0,
) -> dict[str, tuple[Cluster, ...]]:
    """Write a checkpoint with fewer experts, in the type that its weights are stored in.

    Args:
        checkpoint: the model.
        trace: of its experts.
        keep: experts of each layer that are left.
        by: what pruning goes by; see :func:`choose_clusters`.
        method: prune or merge.
        folder: where the model and its tokenizer go.
        seed: of a random choice.

    Returns:
        What became of the experts of each layer.

    Raises:
        ConfigError: the layers cannot have so many experts, or the trace is of another model.
        ModelError: the trace lacks a measurement, or the experts cannot be removed.
    """
    model, tokenizer = load_transformers(checkpoint, kind_of(checkpoint), dtype=stored_dtype(checkpoint))
    shape = shape_of(model.config)
    check_keep(keep, shape)
    _check_trace(trace, model)
    clusters = {
        layer.name: choose_clusters(layer, keep, by, method, shape.groups, seed) for layer in trace.layers
    }
    reduce_experts(model, clusters).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return clusters


def _check_trace(trace: ExpertTrace, model: Any) -> None:
    layers = {name: layer.n_experts for name, layer in find_sparse_layers(model).items()}
    traced = {layer.name: len(layer.routing.load) for layer in trace.layers}
    if layers != traced:
        name, count = sorted(layers.items() ^ traced.items())[0]
        raise ConfigError(
            f"trace: expected one of the model that is reduced, found another's ({name} with {count} experts "
            "is not in both)"
        )
