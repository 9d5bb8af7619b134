"""Tries remedies for a finished run: on a probe first, and the best for all utterances."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from components.data.stage import store_part
from components.errors import AntiphonError, ConfigError
from components.improvement.forecast import (
    GainForecast,
    Improvement,
    Measured,
    RemedyResult,
    choose,
    estimate_gain,
    estimate_score,
    forecast_gain,
    judge,
    measure_outputs,
)
from components.improvement.remedies import Proposal
from components.metrics.statistics.bootstrap import Estimate
from components.models.weight_digests import resolve_weight_digests
from components.pipeline.advice.forecast import RunForecast, forecast_nodes
from components.pipeline.pipeline import DATA, Pipeline
from components.pipeline.planning import plan_nodes
from components.pipeline.rewriting import make_prefixes
from components.run_record import StageRef
from components.storage.stages.reader import read_best_texts, read_utterances
from components.storage.store import Store
from tasks.execution.executor import PipelineResult
from tasks.execution.joint_execution import execute_together
from tasks.progress import show_phase

PROBED_SHARE = 0.5
"""Of the budget, after which no further probe begins; the rest is for the run of the best."""
_BASE = ""
"""The run itself among the systems."""


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
    """What is known of the remedies of one run, and the time that it took.

    Attributes:
        seconds: remedy -> seconds for all utterances, as past stages say; None where there are none.
        forecasts: remedy -> its forecast.
        failures: remedy -> why its probe failed.
        best: the remedy that was run for all utterances, if one was.
        outputs: system -> its translations by id: of the run itself, and of the best.
    """

    def __init__(
        self, finished: FinishedRun, output: str, proposals: Sequence[Proposal], limits: Limits
    ) -> None:
        self._finished, self._proposals, self._limits = finished, proposals, limits
        self._started = time.monotonic()
        self._utterances = list(read_utterances(finished.stages[DATA]))
        self._probe_ids: frozenset[str] = frozenset()
        self._n_others = 0  # what is scored beside the probe: segments of long recordings, as in it
        self._pipelines = {row.remedy: row.pipeline for row in proposals if row.pipeline is not None}
        self.seconds = {name: self._forecast_seconds(graph) for name, graph in self._pipelines.items()}
        self.forecasts: dict[str, GainForecast] = {}
        self.failures: dict[str, str] = {}
        self.best: str | None = None
        self.outputs = {_BASE: read_best_texts(finished.stages[output])}

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._started

    def probe_remedies(self, budget: float) -> None:
        """Try remedies, the cheap ones first, on utterances drawn at random, as long as there is time."""
        data = self._draw_probe()
        for remedy in sorted(self._pipelines, key=lambda name: self.seconds[name] or float("inf")):
            if self.spent > budget * PROBED_SHARE:
                break
            show_phase(f"trying: {remedy}")
            try:
                self.forecasts[remedy] = self._probe(remedy, data)
            except AntiphonError as error:
                self.failures[remedy] = str(error)

    def run_best(self, budget: float) -> None:
        """Run the remedy of the largest gain that the time left allows for all utterances."""
        best = choose(self.forecasts, budget - self.spent)
        if best is not None:
            show_phase(f"running: {best}")
            executed = self._execute(best, self._finished.stages[DATA])
            self.outputs[best] = read_best_texts(_output_of(executed))
            self.best = best

    def conclude(self, bounds: Mapping[str, Estimate | None]) -> Improvement:
        """Return what was found; ``bounds``: what each remedy can gain at most."""
        spent = self.spent
        measured = self._measure(self.outputs)
        values: dict[str, Any] = {}
        if self.best is not None:
            base, changed = measured.elsewhere(_BASE), measured.elsewhere(self.best)
            gain = estimate_gain(base, changed)[0] if base.ids else None
            values = {
                "gain": gain,
                "verdict": judge(self.forecasts[self.best], gain),
                "improved": estimate_score(measured.tables[self.best]),
            }
        return Improvement(
            metric=self._limits.metric,
            score=estimate_score(measured.tables[_BASE]),
            attempts=tuple(self._describe(proposal, bounds) for proposal in self._proposals),
            probe=len(self._probe_ids),
            n=len(measured.tables[_BASE].ids),
            budget=self._limits.budget,
            spent=spent,
            signature=measured.tables[_BASE].signature,
            **values,
        )

    def _describe(self, proposal: Proposal, bounds: Mapping[str, Estimate | None]) -> RemedyResult:
        remedy = proposal.remedy
        if proposal.pipeline is None or remedy in self.failures:
            status = "missing"
        elif remedy in self.forecasts:
            status = "run" if remedy == self.best else "tried"
        else:
            status = "untried"
        values = {
            "remedy": remedy,
            "summary": proposal.summary,
            "mends": proposal.mends,
            "bound": bounds.get(remedy),
            "seconds": self.seconds.get(remedy),
            "status": status,
            "missing": proposal.missing or self.failures.get(remedy, ""),
            "forecast": self.forecasts.get(remedy),
        }
        return RemedyResult.model_validate(values)

    def _draw_probe(self) -> StageRef:
        """Draw the utterances of the probe among those that can be scored."""
        scored = [u.id for u in self._utterances if any(u.references) and u.id in self.outputs[_BASE]]
        if not scored:
            raise ConfigError("improve: expected utterances with a reference translation, found none")
        count = min(self._limits.probe, len(scored))
        self._probe_ids = frozenset(random.Random(self._finished.seed).sample(scored, count))  # noqa: S311
        self._n_others = len(self._measure(self.outputs).elsewhere(_BASE).ids)
        drawn = [at for at, utterance in enumerate(self._utterances) if utterance.id in self._probe_ids]
        return store_part(self._finished.stages[DATA], drawn, self._finished.store)

    def _probe(self, remedy: str, data: StageRef) -> GainForecast:
        executed = self._execute(remedy, data)
        texts = read_best_texts(_output_of(executed))
        measured = self._measure({_BASE: self.outputs[_BASE], remedy: texts})
        to_compute = [row.node for row in self._plan(self._pipelines[remedy]) if row.status != "reused"]
        seconds = sum(executed.stages[node].seconds for node in to_compute if node in executed.stages)
        return forecast_gain(
            measured.on_probe(_BASE),
            measured.on_probe(remedy),
            others=self._n_others,
            seconds=seconds * len(self._utterances) / data.items,
        )

    def _execute(self, remedy: str, data: StageRef) -> PipelineResult:
        """Execute a remedy's pipeline over a data set."""
        prefix = make_prefixes([remedy])[remedy]
        stages = {prefix: {**self._finished.stages, DATA: data}}
        systems = {prefix: self._pipelines[remedy]}
        done = execute_together(systems, stages, self._finished.store.backend.url, self._finished.seed)[
            prefix
        ]
        done.raise_first_error()
        return done

    def _measure(self, outputs: Mapping[str, Mapping[str, str]]) -> Measured:
        target = self._finished.pipeline.languages[1]
        return measure_outputs(self._utterances, outputs, self._limits.metric, target, self._probe_ids)

    def _plan(self, pipeline: Pipeline) -> list[RunForecast]:
        """Return for every node of a pipeline over all utterances whether it is there already."""
        stages, store, seed = self._finished.stages, self._finished.store, self._finished.seed
        sets = {name: stages[name] for name in (DATA, *(node.name for node in pipeline.data_nodes()))}
        plans = plan_nodes(pipeline, sets, store.backend.url, seed, resolve_weight_digests)
        return forecast_nodes(plans, sets, store)

    def _forecast_seconds(self, pipeline: Pipeline) -> float | None:
        try:
            seconds = [row.seconds for row in self._plan(pipeline) if row.status != "reused"]
        except AntiphonError:
            return None  # a model that cannot be had: the probe will say so
        return None if None in seconds else sum(second or 0.0 for second in seconds)


def _output_of(executed: PipelineResult) -> StageRef:
    return executed.stages[executed.pipeline.outputs["translation"]]
