"""Runs a design: candidates are computed as one graph, rung after rung; finalists again on unseen data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from prefect import get_run_logger

from components.analysis.formatting import format_estimate
from components.design.candidates import Candidate
from components.design.goal import Costs, Limits, LimitTest
from components.design.limit_tests import bound_quantile, bound_ratio
from components.design.race import Everything, Known, Measured, Proposals, Race, batches, run_race
from components.design.sampler import Sampled
from components.design.study import Design
from components.design.verdict import Facts, Finalist, conclude
from components.errors import AntiphonError, ConfigError, DataError
from components.metrics.statistics.bootstrap import Estimate
from components.pipeline.pipeline import DATA
from components.run_record import StageRef
from components.storage.stages.reader import read_utterances
from components.tuning.study import Try
from tasks.execution.latency import measure_request_seconds
from tasks.stages.searches.computed_try import ComputedTry, TryContext
from tasks.stages.searches.tries import compute_block

MIN_REQUESTS = 60
"""Utterances that latency is measured on: a 95th percentile has no upper bound below 59."""


class _BlockCosts(NamedTuple):
    """Costs of a block: seconds, price, utterances, hours of audio."""

    seconds: float = 0.0
    price: float = 0.0
    items: float = 0
    hours: float = 0.0

    def __sub__(self, other: _BlockCosts) -> _BlockCosts:
        return _BlockCosts(*(mine - others for mine, others in zip(self, other, strict=True)))


@dataclass
class DesignSearch:
    """A search over candidates.

    Attributes:
        candidates: all of them.
        search: what they share on the search data.
        confirm: the same on the data that the search does not see.
        limits: what a system may cost.
        cost: name of the cost that the front is over.
        tries: candidates at most.
        share: of the seconds of all candidates, for those that go on after a rung.
        batch: candidates that are computed together.
        budget: seconds of computing for the search; None: no limit.
        margin: of the claimed front; None: the least that the data allow.
        notes: for the design.
    """

    candidates: Sequence[Candidate]
    search: TryContext
    confirm: TryContext
    limits: Limits
    cost: str
    tries: int
    share: float
    batch: int
    budget: float | None
    margin: float | None
    notes: Sequence[str] = ()
    _computed: dict[int, ComputedTry] = field(default_factory=dict)
    _spent: dict[str, float] = field(default_factory=dict)

    def find(self) -> Design:
        """Return what the search finds.

        Raises:
            ConfigError: no candidate could be computed.
        """
        n_rungs = len(self.search.blocks)
        metric = self.search.objectives[0]
        proposals: Proposals = Everything(len(self.candidates))
        if len(self.candidates) > self.tries:
            proposals = Sampled(
                self.candidates,
                self.tries,
                higher_is_better=metric.higher_is_better,
                seed=self.search.seed,
            )
        race = run_race(proposals, n_rungs, self._evaluate, self.share, self.batch, self._has_time)
        spent = sum(self._spent.values())
        finalists = self._confirm_all(race)
        if not finalists:
            reasons = "; ".join(dict.fromkeys([*race.faults.values(), *race.dropped.values()]))
            raise ConfigError(
                f"expected a candidate that can be computed in the budget, found none: {reasons}"
            )
        sizes = [block.items for block in self.search.blocks]
        rungs = tuple(sum(sizes[: n + 1]) for n in range(n_rungs))
        facts = Facts(self.cost, rungs, self.margin, spent, self.budget, tuple(self.notes))
        return conclude(self.candidates, race, finalists, facts)

    def _has_time(self) -> bool:
        return self.budget is None or sum(self._spent.values()) < self.budget

    def _evaluate(self, members: Sequence[int], rung: int) -> Mapping[int, Known]:
        """Compute some candidates on a further block."""
        outcomes: dict[int, Known] = {}
        for number in members:
            if rung == 0:
                try:
                    self._computed[number] = self._open(self.search, number)
                except AntiphonError as error:
                    outcomes[number] = "; ".join(str(error).splitlines())
        running = [self._computed[number] for number in members if number not in outcomes]
        if running:
            compute_block(self.search, running, rung, self.search.blocks[rung])
        for each in running:
            number = each.planned.number
            for result in each.results[-1:]:
                self._spent |= {ref.key: ref.seconds for ref in result.stages.values() if ref.stage != DATA}
            known: Known = each.fault
            if not each.fault:
                try:
                    known = self._measure(each)
                except AntiphonError as error:
                    known = str(error)
            outcomes[number] = known
            self._tell(number, known, rung)
        return outcomes

    def _open(self, context: TryContext, number: int) -> ComputedTry:
        planned = Try(number=number, settings={"candidate": number}, state="failed")
        return ComputedTry(context, planned, context.make_pipeline(planned.settings))

    def _measure(self, each: ComputedTry) -> Measured:
        statistics = each.statistics(self.search.objectives[0])
        costs = self._costs(each, [self._block_costs(each)])
        violation = 0.0
        for name, allowed in self.limits.of_costs.items():
            value = getattr(costs, name)
            if value is not None:
                violation = max(violation, value / allowed - 1)
        cost = getattr(costs, self.cost)
        if cost is None:
            raise DataError(f"{self.cost}: expected recordings, found text; take seconds")
        return Measured(statistics, cost, violation, _node_seconds(each))

    def _tell(self, number: int, known: Known, rung: int) -> None:
        name = self.candidates[number].name
        if isinstance(known, str):
            get_run_logger().warning("%s failed: %s", name, known)
            return
        score = format_estimate(Estimate(value=known.statistics.score(), interval=None), sign=False)
        metric = known.statistics.metric.name
        get_run_logger().info(
            "rung %d, %s: %s %s, %s %.3g", rung + 1, name, metric, score, self.cost, known.cost
        )

    def _block_costs(self, each: ComputedTry) -> _BlockCosts:
        """Return the costs of the blocks that a candidate has so far."""
        blocks = each.blocks[: len(each.results)]
        items, hours = sum(block.items for block in blocks), sum(map(_hours, blocks))
        return _BlockCosts(each.seconds, each.price, items, hours)

    def _costs(self, each: ComputedTry, blocks: Sequence[_BlockCosts]) -> Costs:
        seconds, price, items, hours = (sum(column) for column in zip(*blocks, strict=True))
        return Costs(
            seconds=seconds / max(1, items),
            seconds_per_hour=seconds / hours if hours else None,
            price=price / (hours or max(1, items)) if price else None,
            memory=each.peak_memory_bytes,
        )

    def _confirm_all(self, race: Race) -> dict[int, Finalist]:
        """Compute the finalists on the data that the search did not see; notes those that fail."""
        numbers = race.finalists(len(self.search.blocks))
        costs: dict[int, list[_BlockCosts]] = {number: [_BlockCosts()] for number in numbers}
        running = {number: self._open(self.confirm, number) for number in numbers}
        for rung, block in enumerate(self.confirm.blocks):
            for members in batches([*running.values()], self.batch):
                compute_block(self.confirm, members, rung, block)
            for number, each in [*running.items()]:
                if each.fault:
                    race.faults[number] = running.pop(number).fault
                else:
                    costs[number].append(self._block_costs(each))
        return {
            number: self._judge(number, each, [b - a for a, b in pairwise(costs[number])])
            for number, each in running.items()
        }

    def _judge(self, number: int, each: ComputedTry, blocks: Sequence[_BlockCosts]) -> Finalist:
        """Return what was measured of a finalist, its limits tested."""
        costs = self._costs(each, blocks)
        requests = self._request_seconds(number, each) if self.limits.p95 is not None else []
        limits = tuple(self._test_limits(costs, blocks, requests))
        if requests:
            costs = costs.model_copy(update={"p95": bound_quantile("p95", 1.0, requests).measured})
        objective = self.search.objectives[0]
        searched = self._computed[number].statistics(objective)
        return Finalist(each.statistics(objective), searched, costs, limits)

    def _test_limits(
        self, costs: Costs, blocks: Sequence[_BlockCosts], requests: Sequence[float]
    ) -> list[LimitTest]:
        seconds, prices, items, hours = (list(column) for column in zip(*blocks, strict=True))
        tests = []
        for name, allowed in self.limits.of_costs.items():
            if name == "p95":
                tests.append(bound_quantile(name, allowed, requests))
            elif name == "memory":
                memory = costs.memory or 0.0
                tests.append(LimitTest(limit=name, allowed=allowed, measured=memory, upper=memory))
            elif name == "seconds":
                tests.append(bound_ratio(name, allowed, seconds, items))
            elif name == "price":
                tests.append(bound_ratio(name, allowed, prices, hours if sum(hours) else items))
            elif sum(hours):
                tests.append(bound_ratio(name, allowed, seconds, hours))
        return tests

    def _request_seconds(self, number: int, confirmed: ComputedTry) -> list[float]:
        """Return the seconds of single utterances of all data, whose times decided nothing before."""
        computed = [self._computed[number], confirmed]
        share = min(1.0, MIN_REQUESTS / sum(block.items for each in computed for block in each.blocks))
        times: list[float] = []
        for each in computed:
            for result, block in zip(each.results, each.blocks, strict=True):
                stages, limit = {**result.stages, DATA: block}, math.ceil(share * block.items)
                url = self.confirm.store.backend.url
                times += measure_request_seconds(each.pipeline, stages, self.confirm.seed, url, limit)
        return times


def _node_seconds(each: ComputedTry) -> dict[str, float]:
    """Return the seconds an utterance of each node, by the key of its first stage: others may share it."""
    first, items = each.results[0], sum(block.items for block in each.blocks[: len(each.results)])
    seconds: dict[str, float] = {}
    for name, ref in first.stages.items():
        if name != DATA:
            of_all = sum(result.stages[name].seconds for result in each.results if name in result.stages)
            seconds[ref.key] = of_all / max(1, items)
    return seconds


def _hours(block: StageRef) -> float:
    return sum(u.audio.seconds for u in read_utterances(block) if u.audio) / 3600
