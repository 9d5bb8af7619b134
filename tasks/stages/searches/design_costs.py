"""What systems of a design cost: per utterance and hour of audio, alone, and against limits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from prefect import get_run_logger

from components.design.goal import Costs, Limits, LimitTest
from components.design.limit_tests import bound_quantile, bound_ratio
from components.design.racing.mixtures import Mixture, forecast_seconds
from components.pipeline.pipeline import DATA
from components.run_record import StageRef
from components.storage.stages.reader import audio_seconds_of
from tasks.execution.latency import measure_request_seconds
from tasks.stages.searches.computed_try import ComputedTry

MIN_REQUESTS = 60
"""Utterances that latency is measured on: a 95th percentile has no upper bound below 59."""


class BlockCosts(NamedTuple):
    """Costs of a block: seconds, price, utterances, hours of audio."""

    seconds: float = 0.0
    price: float = 0.0
    items: float = 0
    hours: float = 0.0

    def __sub__(self, other: BlockCosts) -> BlockCosts:
        return BlockCosts(*(mine - others for mine, others in zip(self, other, strict=True)))


def block_costs(each: ComputedTry) -> BlockCosts:
    """Return the costs of the blocks that a system has so far."""
    blocks = each.blocks[: len(each.results)]
    hours = sum(audio_seconds_of(block) for block in blocks) / 3600
    return BlockCosts(each.seconds, each.price, each.n_utterances, hours)


def total_costs(blocks: Sequence[BlockCosts], memory: float) -> Costs:
    """Return the costs of all blocks together."""
    seconds, price, items, hours = (sum(column) for column in zip(*blocks, strict=True))
    return Costs(
        seconds=seconds / max(1, items),
        seconds_per_hour=seconds / hours if hours else None,
        price=price / (hours or max(1, items)) if price else None,
        memory=memory,
    )


def excess_of(costs: Costs, limits: Limits) -> float:
    """Return by how much the worst broken limit is broken, relative to it; 0 where none is."""
    excess = 0.0
    for name, allowed in limits.of_costs.items():
        value: float | None = getattr(costs, name)
        excess = max(excess, 0.0 if value is None else value / allowed - 1)
    return excess


def node_seconds(each: ComputedTry) -> dict[str, float]:
    """Return the seconds an utterance of each written node that computes utterances of the data."""
    seconds: dict[str, float] = {}
    for result in each.results:
        pipeline = result.pipeline
        for name, ref in result.stages.items():
            if name in pipeline.nodes and not pipeline.nodes[name].kind.mode.is_whole:
                written = pipeline.user_name_of(name).partition(".")[0]
                seconds[written] = seconds.get(written, 0.0) + ref.seconds / max(1, each.n_utterances)
    return seconds


def mix_costs(
    mixture: Mixture, graph: Mapping[str, dict[str, object]], tiers: Sequence[ComputedTry], per_hour: float
) -> tuple[dict[str, float], BlockCosts]:
    """Return what a mixture would take, from its tiers: seconds an utterance of each node, and of all."""
    seconds = forecast_seconds(dict(graph), mixture.share, list(map(node_seconds, tiers)))
    known = list(map(block_costs, tiers))
    total = sum(seconds.values()) * known[0].items
    served = sum(
        mixture.share**n * (costs.price - per_hour * costs.seconds / 3600) for n, costs in enumerate(known)
    )
    return seconds, known[0]._replace(seconds=total, price=served + per_hour * total / 3600)


def judge_limits(
    limits: Limits, costs: Costs, blocks: Sequence[BlockCosts], requests: Sequence[float]
) -> Iterable[LimitTest]:
    """Yield the tests of limits.

    Args:
        limits: them.
        costs: of all blocks.
        blocks: of each.
        requests: seconds of single utterances.
    """
    seconds, prices, items, hours = (list(column) for column in zip(*blocks, strict=True))
    for name, allowed in limits.of_costs.items():
        if name == "p95":
            yield bound_quantile(name, allowed, requests)
        elif name == "memory":
            memory = costs.memory or 0.0
            yield LimitTest(limit=name, allowed=allowed, measured=memory, upper=memory)
        elif name == "seconds":
            yield bound_ratio(name, allowed, seconds, items)
        elif name == "price":
            yield bound_ratio(name, allowed, prices, hours if sum(hours) else items)
        elif sum(hours):
            yield bound_ratio(name, allowed, seconds, hours)


def time_requests(
    computed: Sequence[ComputedTry], name: str, measured: dict[str, dict[str, float]]
) -> list[float]:
    """Return the seconds of single utterances of all data, whose times decided nothing before.

    Args:
        computed: a system on all data.
        name: of it, for people.
        measured: what was measured of nodes, by the keys of their stages, and now of these.
    """
    get_run_logger().info("%s: utterances one at a time, for the limit of p95", name)
    share = min(1.0, MIN_REQUESTS / sum(block.items for each in computed for block in each.blocks))
    times: list[float] = []
    for each in computed:
        for result, block in zip(each.results, each.blocks, strict=True):
            stages: dict[str, StageRef] = {**result.stages, DATA: block}
            limit, context = math.ceil(share * block.items), each.context
            url = context.store.backend.url
            times += measure_request_seconds(each.pipeline, stages, context.seed, url, limit, measured)
    return times
