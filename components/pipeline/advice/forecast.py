"""Forecast of a run: whether each node's stage is reused, resumed or run, and how long it takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

from components.files.json_text import parse_json
from components.pipeline.items.idle_nodes import is_concerned
from components.pipeline.pipeline import Node, Pipeline
from components.pipeline.planning import NodePlan
from components.records import Record
from components.run_record import StageRef
from components.storage.shards.shard import ShardEntry, ShardHeader
from components.storage.shards.tallies import AUDIO_SECONDS, CHARACTERS, TOTALS
from components.storage.stages.reader import profiles_of, read_tallies
from components.storage.stages.seal import SEAL
from components.storage.store import Store

_MAX_PAST_STAGES, _MAX_PAST_SHARDS = 200, 50
"""The estimates are made from this many stages of the store, the latest, and shards of the same models."""
_MAX_DEPTH = 12
"""Nodes between a shard and its data."""
_LEAST_SECONDS = 0.05
"""A shard that took less says nothing of how long others take."""


class Amount(NamedTuple):
    """How much there is to compute: seconds of audio and characters of text."""

    audio_seconds: float = 0.0
    characters: float = 0.0

    def scaled(self, share: float) -> Amount:
        """Return a share of it."""
        return Amount(self.audio_seconds * share, self.characters * share)


class RunForecast(Record):
    """The forecast of one node.

    ``seconds`` are the fewest and the most, by past shards of the same models here; None without any.
    """

    node: str
    kind: str
    status: Literal["reused", "resumed", "run"]
    key: str
    shards_done: int = 0
    shards: int = 0
    seconds: tuple[float, float] | None = None


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
        amount = None if planned.own is None else _amount_of(pipeline, planned.node, data[planned.own])
        forecasts.append(_forecast_node(planned, ref, amount, past, store))
    return forecasts


def _amount_of(pipeline: Pipeline, node: Node, data: StageRef) -> Amount:
    """Return how much of its data set a node may have something to compute of."""
    profiles = profiles_of(data)
    concerned = sum(count for profile, count in profiles.items() if is_concerned(pipeline, node, profile))
    share = concerned / max(1, sum(profiles.values()))
    return _read_amount(read_tallies(data)).scaled(share)


def _read_amount(tallies: Mapping[str, Mapping[str, float]]) -> Amount:
    totals = tallies.get(TOTALS, {})
    return Amount(totals.get(AUDIO_SECONDS, 0.0), totals.get(CHARACTERS, 0.0))


def _forecast_node(
    planned: NodePlan, ref: StageRef | None, amount: Amount | None, past: _PastTimes, store: Store
) -> RunForecast:
    shards, is_reused = len(planned.shards), ref is not None
    shards_done = shards if is_reused else len(store.backend.find_shards(planned.shard_keys))
    left = None if amount is None else amount.scaled(1 - shards_done / shards if shards else 1)
    return RunForecast(
        node=planned.node.name,
        kind=planned.node.kind.name,
        status="reused" if is_reused else "resumed" if shards_done else "run",
        key=planned.stage.key,
        shards=shards,
        shards_done=shards_done,
        seconds=None if is_reused else past.seconds_of(planned, left),
    )


def past_seconds(plans: Iterable[NodePlan], store: Store) -> dict[str, float]:
    """Return the seconds per item of past stages of the same models, by node, where there are any."""
    past = _PastTimes(store)
    same = {plan.node.name: past.same(plan.stage.kind, plan.stage.weights) for plan in plans}
    seconds = {name: _median_per_item(stages) for name, stages in same.items()}
    return {name: value for name, value in seconds.items() if value is not None}


def past_seconds_of(kind: str, weights: Mapping[str, str], store: Store) -> float | None:
    """Return the seconds per item of past stages of a kind with models of these digests."""
    return _median_per_item(_PastTimes(store).same(kind, weights))


class _PastTimes:
    """Past stages of a store, by kind and by the digests of their models."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_models: dict[tuple[str, tuple[str, ...]], list[dict[str, Any]]] = {}
        self._data = dict[str, str]()  # identity of a data set's shard -> its key
        for seal in _read_latest(store.stages):
            plan = seal["plan"]
            if not plan.get("kind"):
                entries = [ShardEntry(*_values_of(entry)) for entry in seal.get("shards", ())]
                self._data |= {entry.identity: entry.key for entry in entries}
            else:
                models = tuple(sorted(plan.get("weights", {}).values()))
                self._by_models.setdefault((plan["kind"], models), []).append(seal)

    def same(self, kind: str, weights: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the seals of stages of a kind with models of these digests."""
        return self._by_models.get((kind, tuple(sorted(weights.values()))), [])

    def seconds_of(self, planned: NodePlan, amount: Amount | None) -> tuple[float, float] | None:
        """Return the fewest and the most seconds for an amount, by the rates of past shards.

        What is made in one piece takes as long as it did: its data are not known to be the same.
        """
        seals = self.same(planned.stage.kind, planned.stage.weights)
        if amount is None:
            whole = [seal["seconds"] for seal in seals if not seal["plan"].get("shards")]
            return (min(whole), max(whole)) if whole else None
        keys = [key for seal in seals for key, *_ in map(_values_of, seal.get("shards", ()))]
        rates = [rate for key in keys[:_MAX_PAST_SHARDS] if (rate := self._rate(key, amount)) is not None]
        size = amount.audio_seconds or amount.characters
        return (min(rates) * size, max(rates) * size) if rates and size else None

    def _rate(self, key: str, amount: Amount) -> float | None:
        """Return the seconds that a shard took for a second of audio, or a character, of its data."""
        header = self._store.find_shard(key)
        if header is None or header.seconds < _LEAST_SECONDS:
            return None
        own = self._data_of(header, depth=0)
        size = 0.0 if own is None else own.audio_seconds if amount.audio_seconds else own.characters
        return header.seconds / size if size else None

    def _data_of(self, header: ShardHeader, depth: int) -> Amount | None:
        """Return how long the data are that a shard was computed from, through what it reads."""
        for identity, _ in header.read.values():
            key = self._data.get(identity, identity)
            read = self._store.find_shard(key) if depth < _MAX_DEPTH else None
            if read is None:
                continue
            found = _read_amount(read.tallies) if identity in self._data else self._data_of(read, depth + 1)
            if found is not None:
                return found
        return None


def _median_per_item(seals: Iterable[Mapping[str, Any]]) -> float | None:
    rates = [seal["seconds"] / seal["items"] for seal in seals if seal["items"]]
    return median(rates) if rates else None


def _values_of(entry: Any) -> list[Any]:
    return list(entry.values()) if isinstance(entry, Mapping) else list(entry)


def _read_latest(stages: Path) -> Iterable[dict[str, Any]]:
    dated = list[tuple[float, Path]]()
    for seal in stages.glob(f"*/{SEAL}"):
        with suppress(OSError):  # prune has removed it meanwhile
            dated.append((seal.stat().st_mtime, seal))
    for _, seal in sorted(dated, reverse=True)[:_MAX_PAST_STAGES]:
        try:
            yield parse_json(seal.read_bytes())
        except (OSError, ValueError):
            continue
