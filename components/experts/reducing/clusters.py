"""Which experts of a layer stay, and which become one: by importance, or by how alike their outputs are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.spatial.distance import squareform

from components.errors import ConfigError, ModelError
from components.experts.reducing.sparse_checkpoint import SparseShape
from components.experts.reducing.trace import LayerTrace, scores_of

Method = Literal["prune", "merge"]
RANDOM = "random"
"""What pruning goes by where nothing was measured: the control of everything that was."""


class Cluster(NamedTuple):
    """Experts that become one.

    Attributes:
        members: their numbers.
        weights: of each in the mean; they sum to 1.
        row: the member whose row the router keeps.
    """

    members: tuple[int, ...]
    weights: tuple[float, ...]
    row: int


def check_keep(keep: int, shape: SparseShape) -> None:
    """Refuse a number of experts that the layers of a model cannot have.

    Raises:
        ConfigError: fewer than compute a token, more than there are, or groups that do not divide.
    """
    if not shape.top_k <= keep <= shape.n_experts:
        raise ConfigError(
            f"keep: expected {shape.top_k} (experts that compute a token) to {shape.n_experts} (experts of a "
            f"layer), found {keep}; say another number, or all"
        )
    if keep % shape.groups:
        raise ConfigError(
            f"keep: expected a multiple of {shape.groups}, as the router chooses among {shape.groups} groups "
            f"of experts, found {keep}"
        )
    size = keep // shape.groups
    fewest = max(2, -(-shape.top_k // shape.groups_per_token))
    if shape.groups > 1 and size < fewest:
        raise ConfigError(
            f"keep: expected at least {fewest} experts in each of {shape.groups} groups, of which a token "
            f"chooses {shape.groups_per_token} and then {shape.top_k} experts, found {size} ({keep} in all)"
        )


def choose_clusters(
    layer: LayerTrace, keep: int, by: str, method: Method, groups: int = 1, seed: int = 0
) -> tuple[Cluster, ...]:
    """Choose what becomes of the experts of a layer, in order of the rows that the router keeps.

    Args:
        layer: its trace.
        keep: experts that it has afterwards; of equal ones those with the lower numbers are kept.
        by: what pruning goes by: reap, frequency, knock_out or random.
        method: prune or merge.
        groups: of neighboring experts that the router chooses from; each keeps as many.
        seed: of the random choice, which is another one in every layer.

    Raises:
        ModelError: the trace has not measured what the method needs.
    """
    size = len(layer.routing.load) // groups
    members = [range(group * size, (group + 1) * size) for group in range(groups)]
    if method == "merge":
        clusters = [cluster for group in members for cluster in _merge(layer, group, keep // groups)]
    else:
        scores = _draw_scores(layer, seed) if by == RANDOM else scores_of(layer, by)
        clusters = [cluster for group in members for cluster in _prune(scores, group, keep // groups)]
    return tuple(sorted(clusters, key=lambda cluster: cluster.row))


def _draw_scores(layer: LayerTrace, seed: int) -> Sequence[float]:
    """Draw a score for each expert; the layer's name is part of the seed."""
    rng = np.random.default_rng([seed, *layer.name.encode()])
    return list(rng.permutation(len(layer.routing.load)).astype(float))


def _prune(scores: Sequence[float], experts: Sequence[int], keep: int) -> list[Cluster]:
    best = sorted(experts, key=lambda expert: (-scores[expert], expert))[:keep]
    return [Cluster((expert,), (1.0,), expert) for expert in best]


def _merge(layer: LayerTrace, experts: Sequence[int], keep: int) -> list[Cluster]:
    if not layer.similarity:
        raise ModelError(
            f"{layer.name}: expected a trace that compared experts, found none; set similarity_tokens on the "
            "trace's node"
        )
    labels = range(len(experts))
    if 1 < len(experts) != keep:
        cosines = np.array(layer.similarity)[np.ix_(experts, experts)]
        distances = squareform(np.clip(1.0 - cosines, 0.0, None), checks=False)
        labels = cut_tree(linkage(distances, "average"), n_clusters=keep)[:, 0].tolist()
    clusters = []
    for label in sorted(set(labels)):
        members = tuple(expert for expert, own in zip(experts, labels, strict=True) if own == label)
        loads = np.array([layer.routing.load[expert] for expert in members], dtype=float)
        weights = loads / loads.sum() if loads.sum() else np.full(len(members), 1 / len(members))
        row = max(members, key=lambda expert: (layer.routing.load[expert], -expert))
        clusters.append(Cluster(members, tuple(weights.tolist()), row))
    return clusters
