"""Runs a design: candidates are computed as one graph, rung after rung; finalists again on unseen data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from prefect import get_run_logger

from components.analysis.formatting import format_estimate
from components.design.candidates import Candidate
from components.design.goal import Costs, Limits
from components.design.limit_tests import bound_quantile
from components.design.racing.mixtures import choose_tiers, identify_nodes, mix, set_thresholds
from components.design.racing.race import Everything, Known, Proposals, Race, batches, run_race
from components.design.racing.sampler import Sampled
from components.design.racing.selection import Measured, Work
from components.design.recommendation import Facts, Finalist
from components.design.study import Design
from components.design.unreferenced import Unreferenced
from components.design.verdict import conclude
from components.errors import AntiphonError, ConfigError, DataError
from components.metrics.statistics.bootstrap import Estimate
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.nodes.measures import FEATURES, RAW
from components.pipeline.pipeline import DATA
from components.records import NBest
from components.tuning.study import Try
from tasks.stages.searches.computed_try import ComputedTry, TryContext
from tasks.stages.searches.design_costs import (
    BlockCosts,
    block_costs,
    excess_of,
    judge_limits,
    mix_costs,
    node_seconds,
    time_requests,
    total_costs,
)
from tasks.stages.searches.tries import compute_block


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
        share: of the seconds of all candidates on all data, which the search may take.
        batch: candidates that are computed together.
        budget: seconds of computing for the search; None: no limit.
        margin: of the claimed front; None: the least that the data allow.
        notes: for the design.
        without: what stands in place of references; None where there are some.
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
    without: Unreferenced | None = None
    _computed: dict[int, ComputedTry] = field(default_factory=dict)
    _spent: dict[str, float] = field(default_factory=dict)
    _done: dict[str, int] = field(default_factory=dict)
    """Identity of a node's computation -> utterances of the search data that it was done on."""

    def find(self) -> Design:
        """Return what the search finds.

        Raises:
            ConfigError: no candidate could be computed.
        """
        metric = self.search.objectives[0]
        proposals: Proposals = Everything(len(self.candidates))
        if len(self.candidates) > self.tries:
            proposals = Sampled(
                self.candidates,
                self.tries,
                higher_is_better=metric.higher_is_better,
                seed=self.search.seed,
            )
        sizes = [block.items for block in self.search.blocks]
        race = run_race(proposals, sizes, self._evaluate, self.share, self.batch, self._has_time)
        spent = sum(self._spent.values())
        graphs = {number: self._final_graph(number) for number in race.finalists(len(sizes))}
        finalists = self._confirm_all(race, graphs)
        if not finalists:
            reasons = "; ".join(dict.fromkeys([*race.faults.values(), *race.dropped.values()]))
            raise ConfigError(
                f"expected a candidate that can be computed in the budget, found none: {reasons}"
            )
        rungs = tuple(sum(sizes[: n + 1]) for n in range(len(sizes)))
        facts = Facts(self.cost, rungs, self.margin, spent, self.budget, tuple(self.notes), self.without)
        final = [c._replace(graph=graphs.get(n, c.graph)) for n, c in enumerate(self.candidates)]
        return conclude(final, race, finalists, facts)

    def _has_time(self) -> bool:
        return self.budget is None or sum(self._spent.values()) < self.budget

    def _evaluate(self, members: Sequence[int], rung: int) -> Mapping[int, Known]:
        """Compute some candidates on the data up to a rung; forecast those that choose between others."""
        outcomes: dict[int, Known] = {}
        for number in members:
            if rung == 0:
                try:
                    self._computed[number] = self._open(self.search, number, self.candidates[number].graph)
                except AntiphonError as error:
                    outcomes[number] = "; ".join(str(error).splitlines())
        running = [number for number in members if number not in outcomes]
        is_last = rung == len(self.search.blocks) - 1
        mixed = [number for number in running if self.candidates[number].mixture and not is_last]
        self._compute([number for number in running if number not in mixed], rung)
        forecasts = {number: told for number in mixed if (told := self._forecast(number, rung))}
        self._compute([number for number in mixed if number not in forecasts], rung)
        for number in running:
            outcomes[number] = forecasts.get(number) or self._measure(self._computed[number])
            self._tell(number, outcomes[number], rung)
        return outcomes

    def _compute(self, numbers: Sequence[int], rung: int) -> None:
        """Compute some candidates on all blocks up to a rung that they lack."""
        members = [self._computed[number] for number in numbers]
        for n, block in enumerate(self.search.blocks[: rung + 1]):
            lacking = [each for each in members if not each.fault and len(each.results) == n]
            if lacking:
                compute_block(self.search, lacking, n, block)
            for each in lacking:
                for result in each.results[n:]:
                    self._spent |= {
                        ref.key: ref.seconds for ref in result.stages.values() if ref.stage != DATA
                    }
        for each in members:
            identities = identify_nodes(self.candidates[each.planned.number].graph["nodes"])
            for identity in identities.values():
                self._done[identity] = max(each.n_utterances, self._done.get(identity, 0))

    def _open(self, context: TryContext, number: int, graph: Mapping[str, object]) -> ComputedTry:
        planned = Try(number=number, settings={"graph": dict(graph)}, state="failed")
        return ComputedTry(context, planned, context.make_pipeline(planned.settings))

    def _measure(self, each: ComputedTry) -> Known:
        if each.fault:
            return each.fault
        try:
            statistics = each.statistics(self.search.objectives[0])
            costs = total_costs([block_costs(each)], each.peak_memory_bytes)
            return self._know(each.planned.number, statistics, costs, node_seconds(each))
        except AntiphonError as error:
            return str(error)

    def _forecast(self, number: int, rung: int) -> Measured | None:
        """Return what is known of a candidate by those that it chooses between; None: it must be computed."""
        candidate = self.candidates[number]
        numbers = {each.name: n for n, each in enumerate(self.candidates)}
        assert candidate.mixture is not None
        tiers = [self._computed.get(numbers.get(name, -1)) for name in candidate.mixture.tiers]
        known = [each for each in tiers if each is not None and not each.fault and len(each.results) > rung]
        if len(known) < len(tiers):
            return None
        doubts = [{n.utterance_id: -_confidence(n) for n in each.texts("asr")} for each in known[:-1]]
        tables = [each.statistics(self.search.objectives[0]) for each in known]
        statistics = mix(tables, choose_tiers(doubts, candidate.mixture.share))
        if statistics is None:
            return None
        nodes, per_hour = candidate.graph["nodes"], self.search.price_per_hour or 0.0
        seconds, block = mix_costs(candidate.mixture, nodes, known, per_hour)
        costs = total_costs([block], max(each.peak_memory_bytes for each in known))
        return self._know(number, statistics, costs, seconds)._replace(is_forecast=True)

    def _know(
        self, number: int, statistics: CorpusStatistics, costs: Costs, seconds: Mapping[str, float]
    ) -> Measured:
        """Return what a race knows of a candidate with these costs, and seconds an utterance of its nodes."""
        cost = getattr(costs, self.cost)
        if cost is None:
            raise DataError(f"{self.cost}: expected recordings, found text; take seconds")
        n = sum(block.items for block in self.search.blocks)
        work = {}
        for name, identity in identify_nodes(self.candidates[number].graph["nodes"]).items():
            each = seconds.get(name, 0.0)
            work[identity] = Work(each * n, each * (n - self._done.get(identity, 0)))
        return Measured(statistics, cost, excess_of(costs, self.limits), work)

    def _tell(self, number: int, known: Known, rung: int) -> None:
        name = self.candidates[number].name
        if isinstance(known, str):
            get_run_logger().warning("%s failed: %s", name, known)
            return
        score = format_estimate(Estimate(value=known.statistics.score(), interval=None), sign=False)
        metric = known.statistics.metric.name
        how = " (forecast)" * known.is_forecast
        get_run_logger().info(
            "rung %d, %s: %s %s, %s %.3g%s", rung + 1, name, metric, score, self.cost, known.cost, how
        )

    def _final_graph(self, number: int) -> dict[str, object]:
        """Return the graph of a finalist as it may be served: with thresholds that its search data gave."""
        graph, each = self.candidates[number].graph, self._computed[number]
        nodes = set_thresholds(graph["nodes"], lambda name: list(map(_confidence, each.texts(name))))
        return {**graph, "nodes": nodes}

    def _confirm_all(self, race: Race, graphs: Mapping[int, Mapping[str, object]]) -> dict[int, Finalist]:
        """Compute the finalists on the data that the search did not see; notes those that fail."""
        costs: dict[int, list[BlockCosts]] = {number: [BlockCosts()] for number in graphs}
        running = {number: self._open(self.confirm, number, graph) for number, graph in graphs.items()}
        for rung, block in enumerate(self.confirm.blocks):
            for members in batches([*running.values()], self.batch):
                compute_block(self.confirm, members, rung, block)
            for number, each in [*running.items()]:
                if each.fault:
                    race.faults[number] = running.pop(number).fault
                else:
                    costs[number].append(block_costs(each))
        measured: dict[str, dict[str, float]] = {}
        return {
            number: self._judge(number, each, [b - a for a, b in pairwise(costs[number])], measured)
            for number, each in running.items()
        }

    def _judge(
        self,
        number: int,
        each: ComputedTry,
        blocks: Sequence[BlockCosts],
        measured: dict[str, dict[str, float]],
    ) -> Finalist:
        """Return what was measured of a finalist, its limits tested."""
        costs = total_costs(blocks, each.peak_memory_bytes)
        requests = []
        if self.limits.p95 is not None:
            both = [self._computed[number], each]
            requests = time_requests(both, self.candidates[number].name, measured)
            costs = costs.model_copy(update={"p95": bound_quantile("p95", 1.0, requests).measured})
        limits = tuple(judge_limits(self.limits, costs, blocks, requests))
        objective = self.search.objectives[0]
        searched = self._computed[number].statistics(objective)
        return Finalist(each.statistics(objective), searched, costs, limits)


def _confidence(nbest: NBest) -> float:
    """Return the number by which routes of the templates decide."""
    value = FEATURES[RAW].measure(nbest)
    assert value is not None
    return value
