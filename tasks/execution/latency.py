"""Latency of a finished run's system: its nodes compute one utterance at a time, with models loaded.

What a run measures is throughput: seconds of whole shards. Dividing those by the utterances of a batch would
be nobody's waiting time, so latency is measured on its own. Each node reads what the run has stored, so that
it is measured by itself; the latency of an utterance is the sum over the nodes on its way, one after the
other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from components.analysis.cost import MIN_FOR_P95, Latency
from components.errors import DataError
from components.models.weight_digests import resolve_weight_digests
from components.nodes.node_context import Component, Item
from components.pipeline.items.item_gatherer import ItemGatherer
from components.pipeline.items.shard_items import read_outcomes
from components.pipeline.pipeline import DATA, Node, Pipeline
from components.pipeline.planning import NodePlan, plan_nodes
from components.pipeline.stage_planning import with_models, with_tables
from components.records import Utterance
from components.run_record import StageRef
from components.storage.stages.reader import read_utterances
from components.storage.store import Store
from tasks.engines.node_job import NodeJob
from tasks.engines.plan_check import check_plan


class MeasuredLatency(NamedTuple):
    """The latency of a system and of each of its nodes."""

    system: Latency
    nodes: dict[str, Latency]


def measure_latency(
    pipeline: Pipeline, stages: Mapping[str, StageRef], seed: int, store_url: str | None, limit: int
) -> MeasuredLatency:
    """Compute utterances of a finished run again, one by one, and measure how long each takes.

    The first request of a node is computed once before, unmeasured, so that nothing is loaded meanwhile.

    Args:
        pipeline: the run's.
        stages: its finished stages by name.
        seed: of the run.
        store_url: where.
        limit: utterances at most; they are spread evenly over the data set.

    Raises:
        DataError: no node computes anything for single utterances.
    """
    seconds, utterances = _measure_nodes(pipeline, stages, seed, store_url, limit)
    return _summarize(seconds, utterances)


def measure_request_seconds(
    pipeline: Pipeline,
    stages: Mapping[str, StageRef],
    seed: int,
    store_url: str | None,
    limit: int,
    measured: dict[str, dict[str, float]],
) -> list[float]:
    """Return the seconds of each of some utterances in all nodes on its way.

    Args and raises: as :func:`measure_latency`; ``measured`` has those of nodes by the keys of their stages,
    which are not measured again, and takes these.
    """
    seconds, _ = _measure_nodes(pipeline, stages, seed, store_url, limit, measured)
    return list(_sum_nodes(seconds).values())


def _measure_nodes(
    pipeline: Pipeline,
    stages: Mapping[str, StageRef],
    seed: int,
    store_url: str | None,
    limit: int,
    measured: dict[str, dict[str, float]] | None = None,
) -> tuple[dict[str, dict[str, float]], list[Utterance]]:
    """Return the seconds by node and utterance id, and all utterances."""
    known = {} if measured is None else measured
    store = Store(store_url)
    refs = {name: store.localize(ref) for name, ref in stages.items()}
    sets = {name: refs[name] for name in (DATA, *(node.name for node in pipeline.data_nodes()))}
    plans = plan_nodes(pipeline, sets, store_url, seed, resolve_weight_digests)
    utterances = list(read_utterances(refs[DATA]))
    n = min(limit, len(utterances))
    requests = [utterances[number * len(utterances) // n] for number in range(n)]
    seconds: dict[str, dict[str, float]] = {}
    for name, planned in plans.items():
        if _answers_requests(pipeline, planned.node) and name in refs:
            key = refs[name].key
            if key not in known:
                items = _gather_items(pipeline, planned.node, refs, requests)
                known[key] = _measure_node(pipeline, planned, refs, items)
            seconds |= {name: known[key]} if known[key] else {}
    if not seconds:
        raise DataError("expected nodes that compute single utterances, found none to measure")
    return seconds, utterances


def _answers_requests(pipeline: Pipeline, node: Node) -> bool:
    """Return whether a node computes the utterances of the run's data one by one, without asking a person."""
    kind = node.kind
    return not kind.mode.is_whole and pipeline.data_of(node.name) == DATA


def _gather_items(
    pipeline: Pipeline, node: Node, refs: Mapping[str, StageRef], utterances: Sequence[Utterance]
) -> list[Item]:
    gatherer = ItemGatherer(pipeline, node)
    outcomes = {
        name: read_outcomes(refs[name], gatherer.output_of(name), utterances)
        for name in gatherer.followed
        if name in refs
    }
    return gatherer.gather(utterances, outcomes)


def _measure_node(
    pipeline: Pipeline, planned: NodePlan, refs: Mapping[str, StageRef], items: Sequence[Item]
) -> dict[str, float]:
    """Return the seconds of every item by utterance id; {} where there is nothing to compute."""
    if not items:
        return {}
    seconds = {}
    with _open_component(pipeline, planned, refs) as component:
        component(items[:1])
        for item in items:
            start = time.perf_counter()
            component([item])
            seconds[item.utterance.id] = time.perf_counter() - start
    return seconds


@contextmanager
def _open_component(
    pipeline: Pipeline, planned: NodePlan, refs: Mapping[str, StageRef]
) -> Iterator[Component]:
    """Give the component of a node, built as a shard's is."""
    node, plan = planned.node, planned.stage
    kind = node.kind
    context = with_tables(planned.context, node, {name: refs[name] for name in node.tables.values()})
    settings = with_models(node.settings, node, {name: ref.key for name, ref in refs.items()})
    facts = kind.facts(settings)
    if "torch" not in plan.libraries:
        component = kind.build(settings, context)
        check_plan(plan, context.store, facts.files)
        yield component
        return
    from components.compute.device import count_torch_threads  # noqa: PLC0415 - imports torch
    from tasks.engines.device_context import shard_context  # noqa: PLC0415 - imports torch

    site = (context, facts.device or "cpu", count_torch_threads())
    job = NodeJob(plan, settings.model_dump_json(), *site, ItemGatherer(pipeline, node))
    with shard_context(
        job, plan.fingerprint, lambda: kind.build(settings, context), facts.files
    ) as component:
        yield component


def _summarize(
    seconds: Mapping[str, Mapping[str, float]], utterances: Sequence[Utterance]
) -> MeasuredLatency:
    lengths = {u.id: u.audio.seconds if u.audio else 0.0 for u in utterances}

    def summarize(times: Mapping[str, float]) -> Latency:
        return summarize_latency(list(times.values()), sum(lengths[key] for key in times))

    nodes = {name: summarize(times) for name, times in seconds.items()}
    return MeasuredLatency(summarize(_sum_nodes(seconds)), nodes)


def _sum_nodes(seconds: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the seconds of each utterance in all nodes."""
    totals: dict[str, float] = {}
    for times in seconds.values():
        for key, value in times.items():
            totals[key] = totals.get(key, 0.0) + value
    return totals


def summarize_latency(seconds: Sequence[float], audio_seconds: float = 0.0) -> Latency:
    """Return the latency of requests that took ``seconds``, at least one.

    Args:
        seconds: of each request.
        audio_seconds: length of the audio of all of them.
    """
    p50, p95 = (float(np.percentile(seconds, share)) for share in (50, 95))
    return Latency(
        n=len(seconds),
        p50=p50,
        p95=p95 if len(seconds) >= MIN_FOR_P95 else None,
        seconds=sum(seconds),
        audio_seconds=audio_seconds,
    )
