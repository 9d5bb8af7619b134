"""Searches over the remedies for a finished run as over any variable: the best is confirmed on the rest."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from components.data.stage import store_part
from components.errors import AntiphonError, ConfigError
from components.improvement.remedies import Proposal
from components.metrics.statistics.bootstrap import Estimate
from components.models.weight_digests import resolve_weight_digests
from components.pipeline.advice.forecast import RunForecast, forecast_nodes
from components.pipeline.pipeline import DATA, Pipeline
from components.pipeline.planning import plan_nodes
from components.run_record import StageRef
from components.storage.stages.reader import read_utterances
from components.storage.store import Store
from components.tuning.analyses import CONFIRMATION, STUDY, ConfirmationRequest, SearchSettings
from components.tuning.domains import Choices
from components.tuning.forecast import GainForecast
from components.tuning.objectives import Objective
from components.tuning.study import AS_WRITTEN, Try
from components.tuning.variables import SearchSpace, Variable
from tasks.execution.executor import PipelineResult
from tasks.progress import show_phase
from tasks.stages.searches.computed_try import ComputedTry, TryContext
from tasks.stages.searches.study import run_study
from tasks.stages.searches.tries import compute_again

REMEDY = "remedy"
"""The variable of the search."""


class FinishedRun(NamedTuple):
    """A run to be improved: its pipeline, its stages by node, its seed, its store."""

    pipeline: Pipeline
    stages: Mapping[str, StageRef]
    seed: int
    store: Store


class Limits(NamedTuple):
    """How far to go.

    Attributes:
        budget: seconds in all; None: remedies are listed, none is tried.
        probe: utterances that remedies are tried on.
        metric: that gains are counted in.
    """

    budget: float | None
    probe: int
    metric: str


class RemedySearch:
    """A search over the remedies for a run, the cheap ones first, on utterances drawn at random.

    Args:
        finished: the run.
        proposals: the remedies.
        bounds: remedy -> what it can gain at most.
        limits: how far to go.
    """

    def __init__(
        self,
        finished: FinishedRun,
        proposals: Sequence[Proposal],
        bounds: Mapping[str, Estimate | None],
        limits: Limits,
    ) -> None:
        self._finished, self._limits, self._bounds = finished, limits, bounds
        self._proposals = {proposal.remedy: proposal for proposal in proposals}
        self._seconds = {p.remedy: self._forecast_seconds(p.pipeline) for p in proposals}
        data = finished.stages[DATA]
        self._on_all = self._make_context(data)
        self._searched = self._on_all
        if limits.budget is not None:
            self._searched = self._make_context(self._draw_probe(data))
            n, n_all = (self._count(each) for each in (self._searched, self._on_all))
            self._searched.others = n_all / n - 1

    def run(self) -> StageRef:
        """Try remedies as long as there is time, or list them; returns the stage of the study."""
        unknown = float("inf")
        seconds = {name: unknown if n is None else n for name, n in self._seconds.items()}
        names = sorted(self._proposals, key=lambda name: seconds[name])
        settings = SearchSettings(
            space=SearchSpace({REMEDY: Variable(REMEDY, "", (), Choices(tuple(names)))}),
            written={REMEDY: names},
            sampler="grid",
            seed=self._finished.seed,
            tries=0 if self._limits.budget is None else len(names),
            parallel=1,
            tolerance=0.0,
            reduction_factor=1,
            budget=self._limits.budget,
        )
        pipelines = {name: p.pipeline for name, p in self._proposals.items() if p.pipeline is not None}
        listed = [self._list(name) for name in names]
        return run_study(self._searched, settings, {"": self._finished.pipeline, **pipelines}, listed)

    def confirm(self, study_ref: StageRef) -> tuple[Pipeline | None, StageRef | None]:
        """Compute the winner of the study for all utterances.

        Returns:
            Its pipeline, none where that is as it was; and the stage that says what it gains on utterances
            that it was not tried on, none where there are none.
        """
        winner = STUDY.read(study_ref).winner
        if winner.number == AS_WRITTEN:
            return None, None
        tables = []
        show_phase("the best remedy for all utterances")
        for context in (self._searched, self._on_all):
            (computed,) = compute_again(context, [winner])
            assert context.written is not None
            tables.append([each.statistics(context.objectives[0]) for each in (computed, context.written)])
        searched, on_all = tables
        others = [key for key in on_all[0].ids if key not in {*searched[0].ids}]
        if not others:
            return computed.pipeline, None
        request = ConfirmationRequest(
            study_ref,
            (searched[0], searched[1]),
            (on_all[0].subset(others), on_all[1].subset(others)),
            self._finished.stages[DATA],
            (),
        )
        return computed.pipeline, CONFIRMATION.run(request, self._finished.store)

    def _make_context(self, data: StageRef) -> TryContext:
        """Return what tries on some data share; as written, they have the texts of the run."""
        finished, pipeline = self._finished, self._finished.pipeline
        context = TryContext(
            objectives=[Objective(self._limits.metric, self._limits.metric)],
            blocks=[data],
            make_pipeline=lambda settings: self._pipeline_of(str(settings[REMEDY])),
            load_sets=lambda _, block: {**finished.stages, DATA: block},
            store=finished.store,
            seed=finished.seed,
            reduction_factor=1,
            seconds_of=self._seconds_of,
        )
        stages = {name: ref for name, ref in finished.stages.items() if name in pipeline.nodes}
        written = Try(number=AS_WRITTEN, settings={}, state="complete")
        context.written = ComputedTry(context, written, pipeline)
        context.written.add_block(PipelineResult(stages, {}, {}, {}, pipeline))
        return context

    def _pipeline_of(self, remedy: str) -> Pipeline:
        proposal = self._proposals[remedy]
        if proposal.pipeline is None:
            raise ConfigError(proposal.missing)
        return proposal.pipeline

    def _list(self, remedy: str) -> Try:
        """Return a remedy that is not tried, with what is known of it."""
        missing = self._proposals[remedy].missing
        return Try(
            number=0,
            settings={REMEDY: remedy},
            state="unavailable" if missing else "untried",
            reason=missing,
            forecast=GainForecast(bound=self._bounds.get(remedy), seconds=self._seconds[remedy]),
        )

    def _draw_probe(self, data: StageRef) -> StageRef:
        """Draw the utterances that remedies are tried on, among those that can be scored."""
        utterances = list(read_utterances(data))
        scored = [n for n, u in enumerate(utterances) if any(u.references) or u.reference_segments]
        count = min(self._limits.probe, len(scored))
        drawn = random.Random(self._finished.seed).sample(scored, count)  # noqa: S311
        return store_part(data, sorted(drawn), self._finished.store)

    def _count(self, context: TryContext) -> int:
        assert context.written is not None
        return len(context.written.statistics(context.objectives[0]).ids)

    def _seconds_of(self, computed: ComputedTry) -> float:
        """Return the seconds of a remedy for all utterances, as those of the probe took."""
        (result,) = computed.results
        changed = [row.node for row in self._plan(computed.pipeline) if row.status != "reused"]
        seconds = sum(result.stages[node].seconds for node in changed if node in result.stages)
        return seconds * self._on_all.blocks[0].items / self._searched.blocks[0].items

    def _forecast_seconds(self, pipeline: Pipeline | None) -> float | None:
        """Return the seconds of a remedy for all utterances, as past stages say."""
        if pipeline is None:
            return None
        try:
            seconds = [row.seconds for row in self._plan(pipeline) if row.status != "reused"]
        except AntiphonError:
            return None  # a model that cannot be had: the search will say so
        return None if None in seconds else sum(max(most or (0.0, 0.0)) for most in seconds)

    def _plan(self, pipeline: Pipeline) -> list[RunForecast]:
        """Return for every node of a pipeline over all utterances whether it is there already."""
        stages, store, seed = self._finished.stages, self._finished.store, self._finished.seed
        sets = {name: stages[name] for name in (DATA, *(node.name for node in pipeline.data_nodes()))}
        plans = plan_nodes(pipeline, sets, store.backend.url, seed, resolve_weight_digests)
        return forecast_nodes(pipeline, plans, sets, store)
