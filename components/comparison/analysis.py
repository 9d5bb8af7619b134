"""The analysis ``comparison``: finished runs over one data set, compared with tests of significance."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from typing_extensions import override

from components import metrics
from components.analysis.analysis import VALUES, Analysis, Computed, Event, Numbers, read_numbers
from components.analysis.run_outputs import read_latency, text_stages
from components.analysis.table import Column, Sentence, Table
from components.comparison.comparable_runs import check_comparable
from components.comparison.comparison import Comparison, compare
from components.comparison.comparison_settings import ComparisonSettings
from components.comparison.ranking import sentence_label
from components.comparison.systems import load_same_data, system_of
from components.comparison.views import tables, verdict
from components.files.canonical_json import digest_of
from components.files.files import write_bytes
from components.metrics.libraries import scoring_libraries
from components.metrics.metric import Metric
from components.metrics.metric_names import split_metric
from components.metrics.scores_file import ExternalScores, load_scores
from components.metrics.scores_settings import ScoresFile
from components.models.weight_digests import resolve_weight_digests
from components.records import Utterance
from components.run_record import RunRecord, StageRef
from components.storage.stages.stage_plan import StagePlan, content_of, library_versions
from components.storage.store import Store
from components.text.languages import UNDETERMINED

VERSION = "comparison/8"
MODEL_LIBRARIES = ("torch", "transformers")
QUALITY_DROPPED = "antiphon.quality.dropped"
"""Event: a system is significantly worse than the baseline; automations/quality.yaml waits for it."""


@dataclass(frozen=True)
class ComparisonRequest:
    """What is compared.

    Attributes:
        runs: system name -> run.
        settings: metrics, tests and groups.
        bind: the name of a metric, and the store -> the metric; what a model scores is kept there.
        files: external scores, which join the metrics.
    """

    runs: Mapping[str, RunRecord]
    settings: ComparisonSettings
    bind: Callable[[str, Store], Metric]
    files: Sequence[ScoresFile] = ()

    @cached_property
    def scores(self) -> list[ExternalScores]:
        """The external scores, of the systems by their names here.

        Raises:
            ConfigError: they cannot be read, or are of other systems.
        """
        labels = {run.name: name for name, run in self.runs.items()}
        return [entry.rename_systems(labels) for entry in load_scores(self.files)]

    @cached_property
    def utterances(self) -> list[Utterance]:
        """The utterances of all runs.

        Raises:
            DataError: a run that cannot be compared, or runs over different data.
        """
        for run in self.runs.values():
            check_comparable(run)
        return load_same_data(self.runs)


class ComparisonAnalysis(Analysis[ComparisonRequest, Comparison]):
    """Which of several systems is better, by how much, at what cost."""

    kind, file, record = "comparison", "comparison.json", Comparison
    noun, remedy = "a comparison", "compare the runs again"

    @override
    def plan(self, request: ComparisonRequest, store: Store) -> StagePlan:
        runs, settings, scores = request.runs, request.settings, request.scores
        named = dict(map(split_metric, settings.metrics))
        references = {name: model for name, model in named.items() if model is not None}
        records = [utterance.model_dump(exclude={"audio"}) for utterance in request.utterances]
        return StagePlan(
            stage=self.kind,
            kind=self.kind,
            version=f"{VERSION} metrics/{metrics.version}",
            parameters={
                **settings.deciding(),
                "metrics": list(named),
                "systems": list(runs),
                **_stated_costs(runs, store),
            },
            upstream={
                f"{name}/{ref.stage}": content_of(ref)
                for name, run in runs.items()
                for ref in text_stages(run)
            },
            inputs={
                "utterances": digest_of(records),
                **{f"scores {entry.name}": digest_of(asdict(entry)) for entry in scores},
            },
            weights=resolve_weight_digests(references, store.backend.url),
            libraries=scoring_libraries(settings.normalizer)
            | (library_versions(MODEL_LIBRARIES) if references else {}),
            models=references,
        )

    @override
    def compute(self, request: ComparisonRequest, store: Store, folder: Path) -> Computed[Comparison]:
        utterances, settings = request.utterances, request.settings
        comparison, values = compare(
            utterances,
            [system_of(name, run, store, settings.price_per_hour) for name, run in request.runs.items()],
            settings,
            language=target_languages(utterances, request.runs),
            source_language={utterance.id: utterance.source_language for utterance in utterances},
            bind=lambda name: request.bind(name, store),
            scores=request.scores,
        )
        lines = [json.dumps({"id": key, "values": scores}) for key, scores in values.items()]
        write_bytes(folder / VALUES, "".join(line + "\n" for line in lines).encode())
        return Computed(comparison, len(utterances), [VALUES])

    @override
    def tables(self, findings: Comparison) -> list[Table]:
        return tables.build_tables(findings)

    @override
    def verdict(self, findings: Comparison) -> list[Sentence]:
        return verdict.describe_comparison(findings)

    @override
    def numbers(self, ref: StageRef, findings: Comparison) -> Numbers:
        return _count_changes(ref, findings)

    @override
    def warnings(self, findings: Comparison) -> list[str]:
        return list(findings.notes)

    @override
    def baseline(self, findings: Comparison) -> str:
        return findings.baseline

    @override
    def events(self, findings: Comparison) -> list[Event]:
        return [
            Event(QUALITY_DROPPED, f"system.{each.system}", each.system, each.model_dump(mode="json"))
            for each in findings.ranked_differences
            if each.verdict == "worse"
        ]


COMPARISON = ComparisonAnalysis()


def _count_changes(ref: StageRef, findings: Comparison) -> Numbers:
    """Return per utterance the score of every system and its change to the baseline."""
    baseline, systems = findings.baseline, [row.system for row in findings.rows]
    values: dict[str, dict[str, float]] = {}
    for key, entry in read_numbers(ref).items():
        scores: dict[str, float] = entry["values"]  # type: ignore[assignment]
        changed = {
            f"change: {name}": score - scores[baseline]
            for name, score in scores.items()
            if name != baseline and baseline in scores
        }
        values[key] = {f"score: {name}": score for name, score in scores.items()} | changed
    label = sentence_label(findings.ranking)
    columns = [Column(f"score: {name}", f"{label} of {name}, lowest first", "smallest") for name in systems]
    for name in systems:
        if name != baseline:
            columns.append(Column(f"change: {name}", f"{name} above {baseline}, most first"))
            columns.append(Column(f"change: {name}", f"{name} below {baseline}, most first", "smallest"))
    return Numbers(columns, values)


def _stated_costs(runs: Mapping[str, RunRecord], store: Store) -> dict[str, Any]:
    """Return the prices that runs state and the latencies that were measured of them, where there are any."""
    prices = {name: run.parameters.get("price_per_hour") for name, run in runs.items()}
    latencies = {name: read_latency(run, store) for name, run in runs.items()}
    stated = {
        "prices": {name: price for name, price in prices.items() if price is not None},
        "latencies": {name: of.model_dump(mode="json") for name, of in latencies.items() if of is not None},
    }
    return {name: values for name, values in stated.items() if values}


def target_languages(utterances: list[Utterance], runs: Mapping[str, RunRecord]) -> dict[str, str]:
    """Return each utterance's target language, as the data or else the runs state it."""
    stated = {run.parameters.get("target_language") for run in runs.values()} - {None}
    other = str(stated.pop()) if len(stated) == 1 else UNDETERMINED
    return {utterance.id: utterance.target_language or other for utterance in utterances}
