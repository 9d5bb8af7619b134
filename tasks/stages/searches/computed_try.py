"""A pipeline of a search that is computed block by block, and what it is worth so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from components.analysis.served_price import price_of_served
from components.analysis.texts_to_score import TextsToScore, align_parts
from components.errors import DataError
from components.files.canonical_json import digest_of
from components.metrics.normalizers import BY_LANGUAGE
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.table import under_normalizer
from components.models.weight_digests import resolve_weight_digests
from components.pipeline.pipeline import DATA, Pipeline
from components.pipeline.planning import plan_nodes
from components.records import NBest, Quarantined
from components.run_record import StageRef
from components.storage.stages.reader import read_nbests, read_quarantined
from components.storage.store import Store
from components.tuning.forecast import GainForecast, forecast_gain
from components.tuning.objectives import PRICE, SECONDS, Objective
from components.tuning.study import AS_WRITTEN, Try
from tasks.execution.executor import PipelineResult
from tasks.stages.sentence_scores import bind_staged

Sets = dict[str, StageRef]
"""Loaded data sets, by the names under which nodes read them."""


@dataclass
class TryContext:
    """What all tries of a search share.

    Attributes:
        objectives: what they are worth.
        blocks: the data of each rung beyond that of the rung before.
        make_pipeline: settings of the variables -> the checked pipeline; raises AntiphonError.
        load_sets: a pipeline and a block -> the data sets that its nodes read.
        store: where everything is kept.
        seed: of the run.
        reduction_factor: of successive halving.
        price_per_hour: of the machine.
        normalizer: that transcripts are counted under.
        others: size of the data that the winner is confirmed on, as a multiple of the search data.
        written: the pipeline as written, once it is computed; it is not computed again.
        seconds_of: a computed try -> the seconds that what it changes takes for all utterances, where that is
            asked.
        scorer: gives the statistics of a computed try, in place of the metric's of the first objective.
    """

    objectives: Sequence[Objective]
    blocks: Sequence[StageRef]
    make_pipeline: Callable[[Mapping[str, object]], Pipeline]
    load_sets: Callable[[Pipeline, StageRef], Sets]
    store: Store
    seed: int
    reduction_factor: int
    price_per_hour: float | None = None
    normalizer: str = BY_LANGUAGE
    others: float = 0.0
    written: ComputedTry | None = None
    seconds_of: Callable[[ComputedTry], float] | None = None
    scorer: Callable[[ComputedTry], CorpusStatistics] | None = None

    @property
    def signs(self) -> list[int]:
        """1 for each objective of which more is better, else -1."""
        return [1 if objective.higher_is_better else -1 for objective in self.objectives]

    def digest_keys(self, pipeline: Pipeline) -> str:
        """Return the digest of the keys of a pipeline's stages."""
        sets = self.load_sets(pipeline, self.blocks[0])
        plans = plan_nodes(pipeline, sets, self.store.backend.url, self.seed, resolve_weight_digests)
        return digest_of({name: plan.stage.key for name, plan in plans.items()})


@dataclass
class ComputedTry:
    """A pipeline that is computed block by block, and the values of its objectives so far.

    Attributes:
        context: of the search.
        planned: its number and settings.
        pipeline: it.
        results: of each block.
        rungs: values of all objectives after each block.
        fault: why it could not be computed.
    """

    context: TryContext
    planned: Try
    pipeline: Pipeline
    results: list[PipelineResult] = field(default_factory=list)
    rungs: list[tuple[float, ...]] = field(default_factory=list)
    fault: str = ""

    @cached_property
    def target_language(self) -> str | None:
        """Of the run."""
        return self.pipeline.languages[1]

    def add_block(self, result: PipelineResult) -> None:
        """Take in what was computed of a further block, and measure the objectives on all of them."""
        result.raise_first_error()
        self.results.append(result)
        self.rungs.append(tuple(map(self.measure, self.context.objectives)))

    def measure(self, objective: Objective) -> float:
        """Measure an objective on the blocks so far."""
        if objective.name == SECONDS:
            return self.seconds / max(1, self.n_utterances)
        if objective.name == PRICE:
            return self.price / max(1, self.n_utterances)
        return self.statistics(objective).score()

    def statistics(self, objective: Objective) -> CorpusStatistics:
        """Return the statistics of a metric on the blocks so far; what was quarantined counts as empty.

        Raises:
            DataError: there is nothing to score.
        """
        if self.context.scorer is not None:
            return self.context.scorer(self)
        metric = under_normalizer(bind_staged(objective.metric, self.context.store), self.context.normalizer)
        parts = [text_of(objective, result, self.blocks[n]) for n, result in enumerate(self.results)]
        aligned = align_parts(
            parts,
            self.target_language,
            with_references="reference" in metric.needs,
            absent={q.utterance_id for result in self.results for q in _quarantined(result)},
        )
        n_total = self.n_utterances
        table = None if aligned is None else aligned.units.measure(metric, aligned.segments, n_total)
        if table is None and metric.name == "wer" and aligned is not None:
            raise DataError(
                f"{objective.name}: expected a language with spaces between words, found none; take cer"
            )
        if table is None:
            raise DataError(f"{objective.name}: expected texts with references, found none")
        return table

    @property
    def blocks(self) -> Sequence[StageRef]:
        """The data of each block."""
        return self.context.blocks

    @property
    def n_utterances(self) -> int:
        """Utterances of the blocks so far."""
        return sum(block.items for block in self.blocks[: len(self.results)])

    def texts(self, node: str) -> Iterator[NBest]:
        """Yield what a node gave on the blocks so far, where it was run."""
        for result in self.results:
            if node in result.stages:
                yield from read_nbests(result.stages[node])

    @property
    def _used(self) -> list[StageRef]:
        """The stages that are computed whenever the pipeline is used: no training, no other data."""
        used = []
        for result in self.results:
            pipeline = result.pipeline
            scored = {o.node_in(pipeline) for o in self.context.objectives if o.metric} | {
                *pipeline.outputs.values()
            }
            needed = {node.name for output in scored for node in pipeline.subgraph_of(output)}
            for name, ref in result.stages.items():
                if (
                    name in needed
                    and not pipeline.nodes[name].kind.mode.is_whole
                    and pipeline.data_of(name) == DATA
                ):
                    used.append(ref)
        return used

    @property
    def seconds(self) -> float:
        """Seconds of computing the blocks so far."""
        return sum({ref.key: ref.seconds for ref in self._used}.values())

    @property
    def peak_memory_bytes(self) -> int:
        """Peak memory of the stage that needed most."""
        return max((ref.peak_memory_bytes for ref in self._used), default=0)

    @property
    def price(self) -> float:
        """Of computing the blocks so far, served models and machine."""
        served = price_of_served(self._used) or 0.0
        return served + (self.context.price_per_hour or 0.0) * self.seconds / 3600

    def finish(self) -> Try:
        """Return the try with what became of it."""
        state = "failed" if self.fault else "complete" if len(self.rungs) == len(self.blocks) else "pruned"
        scores = (
            ()
            if self.fault
            else tuple(
                self.statistics(o).to_score().model_copy(update={"name": o.name})
                for o in self.context.objectives
                if o.metric
            )
        )
        values: dict[str, Any] = {"state": state, "rungs": tuple(self.rungs), "scores": scores}
        values |= {"reason": self.fault}
        if state == "complete" and self.planned.number != AS_WRITTEN:
            values["forecast"] = self._forecast()
        return self.planned.model_copy(update=values)

    def _forecast(self) -> GainForecast:
        """Forecast the gain over the pipeline as written, beside what was known of it."""
        context, known = self.context, self.planned.forecast or GainForecast()
        assert context.written is not None
        changed, written = (each.statistics(context.objectives[0]) for each in (self, context.written))
        forecast = forecast_gain(changed, written, round(context.others * len(changed.ids)))
        seconds = known.seconds if context.seconds_of is None else context.seconds_of(self)
        return forecast.model_copy(update={"bound": known.bound, "seconds": seconds})


def text_of(objective: Objective, result: PipelineResult, data: StageRef) -> TextsToScore:
    """Return the texts that an objective scores in what was computed of a data set.

    Raises:
        DataError: there are none: the node had nothing to do.
    """
    pipeline = result.pipeline
    name = objective.node_in(pipeline)
    if name not in result.stages:
        raise DataError(f"{objective.name}: expected texts of {name}, found none: it had nothing to do")
    language = None if pipeline.is_spoken(name) else pipeline.language_of(name)
    speech = pipeline.speech_of(name)
    return TextsToScore("", result.stages.get(speech, data), result.stages[name], language)


def _quarantined(result: PipelineResult) -> Iterator[Quarantined]:
    for ref in result.stages.values():
        if ref.quarantined:
            yield from read_quarantined(ref)
