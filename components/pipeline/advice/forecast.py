"""Forecast of a run: whether each node's stage is reused, resumed or run, and how long it takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, Literal

from components.files.json_text import parse_json
from components.pipeline.items.idle_nodes import is_concerned
from components.pipeline.pipeline import Node, Pipeline
from components.pipeline.planning import NodePlan
from components.records import Record
from components.run_record import StageRef
from components.storage.stages.reader import profiles_of
from components.storage.stages.seal import SEAL
from components.storage.store import Store

_MAX_PAST_STAGES = 200
"""The estimates are made from this many stages of the store, the latest."""


class RunForecast(Record):
    """The forecast of one node. ``seconds`` is estimated from past stages; None where there are none."""

    node: str
    kind: str
    status: Literal["reused", "resumed", "run"]
    key: str
    shards_done: int = 0
    shards: int = 0
    seconds: float | None = None


def forecast_nodes(
    pipeline: Pipeline, plans: Mapping[str, NodePlan], data: Mapping[str, StageRef], store: Store
) -> list[RunForecast]:
    """Forecast every node of a plan, in its order; nothing is computed or written.

    Args:
        pipeline: the graph.
        plans: the plan of each node.
        data: the data sets by name.
        store: where finished stages are looked up.
    """
    finished: dict[str, str] = {name: ref.sha256 for name, ref in data.items() if ref.content is None}
    past = _PastTimes(store)
    forecasts = []
    for name, planned in plans.items():
        edges = planned.node.reads
        # What reads a stage that is still to be computed is fresh if that comes out as it was.
        read = {role: finished[source] for role, source in edges.items() if source in finished}
        ref = store.find_stage(planned.stage, read)
        if ref is not None:
            finished[name] = ref.sha256
        items = 1 if planned.own is None else _count_items(pipeline, planned.node, data[planned.own])
        forecasts.append(_forecast_node(planned, ref, items, past, store))
    return forecasts


def _count_items(pipeline: Pipeline, node: Node, data: StageRef) -> int:
    """Return how many utterances of its data set a node may have something to compute of."""
    profiles = profiles_of(data).items()
    return sum(count for profile, count in profiles if is_concerned(pipeline, node, profile))


def _forecast_node(
    planned: NodePlan, ref: StageRef | None, items: int, past: _PastTimes, store: Store
) -> RunForecast:
    stage, shards = planned.stage, len(planned.shards)
    values = {"node": planned.node.name, "kind": planned.node.kind.name, "key": stage.key}
    if ref is not None:
        return RunForecast.model_validate(
            {**values, "status": "reused", "shards": shards, "shards_done": shards}
        )
    shards_done = len(store.backend.find_shards(planned.shard_keys))
    seconds = past.seconds_per_item(planned)
    left = items * (1 - shards_done / shards) if shards else 1
    return RunForecast.model_validate(
        {
            **values,
            "status": "resumed" if shards_done else "run",
            "shards": shards,
            "shards_done": shards_done,
            "seconds": None if seconds is None else seconds * left,
        }
    )


def past_seconds(plans: Iterable[NodePlan], store: Store) -> dict[str, float]:
    """Return the seconds per item of past stages like those of nodes, by node, where there are any."""
    past = _PastTimes(store)
    seconds = {planned.node.name: past.seconds_per_item(planned) for planned in plans}
    return {name: value for name, value in seconds.items() if value is not None}


def past_seconds_of(kind: str, weights: Mapping[str, str], store: Store) -> float | None:
    """Return the seconds per item of past stages of a kind with models of these digests, else of the kind."""
    return _PastTimes(store).seconds_of(kind, weights)


class _PastTimes:
    """Seconds per item of past stages, by kind and by the digests of their models."""

    def __init__(self, store: Store) -> None:
        self._by_models: dict[tuple[str, tuple[str, ...]], list[float]] = {}
        self._by_kind: dict[str, list[float]] = {}
        for seal in _read_latest(store.stages):
            plan = seal["plan"]
            items = seal["items"] if plan.get("shards") else 1
            if plan.get("kind") and items:
                seconds = seal["seconds"] / items
                models = tuple(sorted(plan.get("weights", {}).values()))
                self._by_models.setdefault((plan["kind"], models), []).append(seconds)
                self._by_kind.setdefault(plan["kind"], []).append(seconds)

    def seconds_per_item(self, planned: NodePlan) -> float | None:
        """Return the median for the same models, else for the kind; None if neither has ever run."""
        return self.seconds_of(planned.stage.kind, planned.stage.weights)

    def seconds_of(self, kind: str, weights: Mapping[str, str]) -> float | None:
        """As :meth:`seconds_per_item`, from a kind and the digests of models."""
        same = self._by_models.get((kind, tuple(sorted(weights.values()))))
        values = same or self._by_kind.get(kind)
        return median(values) if values else None


def _read_latest(stages: Path) -> Iterable[dict[str, Any]]:
    folders = sorted(stages.glob(f"*/{SEAL}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for seal in folders[:_MAX_PAST_STAGES]:
        try:
            yield parse_json(seal.read_bytes())
        except (OSError, ValueError):
            continue
