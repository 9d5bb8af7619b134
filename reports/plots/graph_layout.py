"""Layout of a graph: nodes in layers by their distance from the data, with few crossings.

Sugiyama's method: longest-path layers, points of their own for edges that span several layers (so that no
edge runs through a box), the order inside a layer by barycenters, then places near the neighbors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from random import Random

Point = tuple[float, float]
_SWEEPS, _STARTS = 8, 16


@dataclass
class Layout:
    """Layer and row of every node, and the points (layer, row) that every edge passes, ends included."""

    positions: dict[str, Point]
    routes: dict[tuple[str, str], list[Point]]


@dataclass
class _Layers:
    """Nodes, and a point ``(edge, layer)`` for each layer that an edge passes, layer by layer, in order."""

    layers: list[list[object]] = field(default_factory=list)
    chains: dict[tuple[str, str], list[object]] = field(default_factory=dict)
    before: dict[object, list[object]] = field(default_factory=dict)
    after: dict[object, list[object]] = field(default_factory=dict)


def compute_layout(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> Layout:
    """Lay out an acyclic graph; ``names`` are in topological order."""
    graph = _build_layers(names, edges, _depths(names, edges))
    graph.layers = min(_orders(graph), key=lambda layers: _crossings(layers, graph.after))
    rows = _assign_rows(graph)
    where = {node: (float(number), rows[node]) for number, layer in enumerate(graph.layers) for node in layer}
    routes = {edge: [where[node] for node in chain] for edge, chain in graph.chains.items()}
    return Layout({name: where[name] for name in names}, routes)


def _depths(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Edges on the longest way to each node; one that reads nothing stands right before what reads it."""
    depth = dict.fromkeys(names, 0)
    for name in names:
        depth[name] = max((depth[above] + 1 for above, below in edges if below == name), default=0)
    reading = {below for _, below in edges}
    for name in names:
        if name not in reading:
            readers = (depth[below] for above, below in edges if above == name)
            depth[name] = max(0, min(readers, default=0) - 1)
    return depth


def _build_layers(
    names: Sequence[str], edges: Sequence[tuple[str, str]], depth: Mapping[str, int]
) -> _Layers:
    graph = _Layers([[] for _ in range(max(depth.values(), default=-1) + 1)])
    for name in names:
        graph.layers[depth[name]].append(name)
    for above, below in edges:
        chain: list[object] = [above]
        for layer in range(depth[above] + 1, depth[below]):
            passed = ((above, below), layer)
            graph.layers[layer].append(passed)
            chain.append(passed)
        chain.append(below)
        graph.chains[above, below] = chain
        for left, right in pairwise(chain):
            graph.before.setdefault(right, []).append(left)
            graph.after.setdefault(left, []).append(right)
    return graph


def _orders(graph: _Layers) -> Iterator[list[list[object]]]:
    """Candidate orders of the layers, from the given order and random ones, sweep after sweep."""
    for start in range(_STARTS):
        dice = Random(start)  # noqa: S311 - decides a drawing
        layers = [dice.sample(layer, len(layer)) if start else list(layer) for layer in graph.layers]
        for sweep in range(_SWEEPS):
            yield [list(layer) for layer in layers]
            if sweep % 2 == 0:
                _sort(layers, graph.before)
            else:
                _sort(layers[::-1], graph.after)


def _crossings(layers: Sequence[Sequence[object]], after: Mapping[object, Sequence[object]]) -> int:
    """Return how many pairs of edges cross between neighboring layers."""
    crossed = 0
    for left, right in pairwise(layers):
        position = {node: number for number, node in enumerate(right)}
        ends = [[position[below] for below in after.get(node, ())] for node in left]
        crossed += sum(a > b for upper, lower in combinations(ends, 2) for a in upper for b in lower)
    return crossed


def _sort(layers: Sequence[list[object]], neighbors: Mapping[object, Sequence[object]]) -> None:
    """Sort each layer by the mean position of its neighbors in the layer before it."""
    for fixed, layer in pairwise(layers):
        position = {node: float(number) for number, node in enumerate(fixed)}
        own = {node: float(number) for number, node in enumerate(layer)}
        layer.sort(key=lambda node: _mean([position[n] for n in neighbors.get(node, ())], own[node]))


def _assign_rows(graph: _Layers) -> dict[object, float]:
    """Return rows near those of the neighbors, at least one apart inside a layer, the first at 0."""
    rows = {node: float(number) for layer in graph.layers for number, node in enumerate(layer)}
    for sweep in range(_SWEEPS):
        neighbors = graph.before if sweep % 2 == 0 else graph.after
        for layer in graph.layers if sweep % 2 == 0 else graph.layers[::-1]:
            targets = [_mean([rows[n] for n in neighbors.get(node, ())], rows[node]) for node in layer]
            rows.update(zip(layer, _spread_apart(targets), strict=True))
    top = min(rows.values(), default=0.0)
    return {node: row - top for node, row in rows.items()}


def _spread_apart(targets: Sequence[float]) -> list[float]:
    """Return the nearest rows (least squares) in the same order, each at least one below that before it.

    Isotonic regression by pooling adjacent violators.
    """
    pools: list[tuple[float, int]] = []  # mean, count
    for number, row in enumerate(targets):
        pools.append((row - number, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (first, n), (second, m) = pools[-2:]
            pools[-2:] = [((first * n + second * m) / (n + m), n + m)]
    level = [mean for mean, count in pools for _ in range(count)]
    return [row + number for number, row in enumerate(level)]


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
