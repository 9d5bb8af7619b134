"""The ``comparison`` stage: finished runs over one data set, compared with tests of significance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.client.schemas.objects import State
from prefect.events import emit_event

from components import metrics
from components.analysis.comparing.comparison import Comparison, compare
from components.analysis.comparing.comparison_settings import ComparisonSettings
from components.files.canonical_json import digest_of
from components.files.files import write_bytes, write_json
from components.metrics.metric_names import split_metric
from components.metrics.scores_file import ExternalScores, load_scores
from components.metrics.scores_settings import ScoresFile
from components.metrics.statistics.significance import Difference
from components.models.weight_digests import resolve_weight_digests
from components.records import Utterance
from components.run_record import RunRecord, StageRef
from components.storage.stages.stage_plan import StagePlan, content_of, library_versions
from components.storage.stages.whole_stage import Product, compute_once
from components.storage.store import Store
from components.text.counted_nouns import format_count
from components.text.languages import UNDETERMINED
from reports.analyses import comparison_report
from reports.analyses.stage_results import COMPARISON, VALUES, read_comparison
from reports.views.run_outputs import check_comparable, load_same_data, read_latency, system_of, text_stages
from tasks.artifacts import publish_table
from tasks.stages.metrics import libraries_of
from tasks.stages.sentence_scores import LIBRARIES as MODEL_LIBRARIES
from tasks.stages.sentence_scores import bind_staged
from tasks.task_options import NOT_STORED, as_prefect_state

VERSION = "comparison/5"
QUALITY_DROPPED = "antiphon.quality.dropped"
"""Event: a system is significantly worse than the baseline; automations/quality.yaml waits for it."""


def compute_comparison(
    runs: Mapping[str, RunRecord],
    settings: ComparisonSettings,
    store: Store,
    files: Sequence[ScoresFile] = (),
) -> StageRef:
    """Compare runs, or return the same comparison computed before.

    Args:
        runs: system name -> run.
        settings: metrics, tests and groups.
        store: where.
        files: external scores, which join the metrics.

    Raises:
        DataError: a run that cannot be compared, or runs over different data.
        ConfigError: external scores that cannot be read, or are of other systems.
    """
    labels = {run.name: name for name, run in runs.items()}
    scores = [entry.rename_systems(labels) for entry in load_scores(files)]
    for run in runs.values():
        check_comparable(run)
    utterances = load_same_data(runs)

    def work(folder: Path) -> Product:
        comparison, values = compare(
            utterances,
            [system_of(name, run, store, settings.price_per_hour) for name, run in runs.items()],
            settings,
            language=_target_languages(utterances, runs),
            source_language={utterance.id: utterance.source_language for utterance in utterances},
            bind=partial(bind_staged, store=store),
            scores=scores,
        )
        write_json(folder / COMPARISON, comparison.model_dump(mode="json"))
        lines = [json.dumps({"id": key, "values": scores}) for key, scores in values.items()]
        write_bytes(folder / VALUES, "".join(line + "\n" for line in lines).encode())
        return Product([COMPARISON, VALUES], items=len(utterances))

    return compute_once(store, _make_plan(runs, settings, utterances, scores, store), work)


@task(name="comparison", task_run_name="comparison", **NOT_STORED)
def compare_runs(
    runs: Mapping[str, RunRecord],
    settings: ComparisonSettings,
    store_url: str | None,
    files: Sequence[ScoresFile] = (),
) -> StageRef | State[StageRef]:
    """Compare runs as a task, with the tables as artifacts; see :func:`compute_comparison`."""
    ref = compute_comparison(runs, settings, Store(store_url), files)
    comparison = read_comparison(ref)
    for note in comparison.notes:
        get_run_logger().warning("comparison: %s", note)
    what = f"{len(runs)} systems, {format_count(comparison.n, 'utterance')}"
    publish_table(comparison_report.build_score_rows(comparison), "comparison", what)
    publish_table(comparison_report.build_cost_rows(comparison), "cost", what)
    publish_table(
        comparison_report.build_bucket_rows(comparison),
        "groups",
        f"{comparison.ranking} by group of utterances",
    )
    for difference in find_significant_drops(comparison):
        resource = {
            "prefect.resource.id": f"antiphon.system.{difference.system}",
            "prefect.resource.name": difference.system,
        }
        emit_event(event=QUALITY_DROPPED, resource=resource, payload=difference.model_dump(mode="json"))
    return as_prefect_state(ref)


def find_significant_drops(comparison: Comparison) -> list[Difference]:
    """Return the systems that are significantly worse than the baseline in the ranking metric."""
    return [
        difference
        for difference in comparison.differences
        if difference.verdict == "worse"
        and (difference.metric, difference.baseline) == (comparison.ranking, comparison.baseline)
    ]


def _make_plan(
    runs: Mapping[str, RunRecord],
    settings: ComparisonSettings,
    utterances: list[Utterance],
    scores: Sequence[ExternalScores],
    store: Store,
) -> StagePlan:
    named = dict(map(split_metric, settings.metrics))
    references = {name: model for name, model in named.items() if model is not None}
    upstream = {
        f"{name}/{ref.stage}": content_of(ref) for name, run in runs.items() for ref in text_stages(run)
    }
    return StagePlan(
        stage="comparison",
        kind="comparison",
        version=f"{VERSION} metrics/{metrics.version}",
        parameters={
            **settings.deciding(),
            "metrics": list(named),
            "systems": list(runs),
            **_stated_costs(runs, store),
        },
        upstream=upstream,
        inputs={
            "utterances": digest_of([utterance.model_dump(exclude={"audio"}) for utterance in utterances]),
            **{f"scores {entry.name}": digest_of(asdict(entry)) for entry in scores},
        },
        weights=resolve_weight_digests(references, store.backend.url),
        libraries=libraries_of(settings.normalizer)
        | (library_versions(MODEL_LIBRARIES) if references else {}),
        models=references,
    )


def _stated_costs(runs: Mapping[str, RunRecord], store: Store) -> dict[str, Any]:
    """Return the prices that runs state and the latencies that were measured of them, where there are any."""
    prices = {name: run.parameters.get("price_per_hour") for name, run in runs.items()}
    latencies = {name: read_latency(run, store) for name, run in runs.items()}
    stated = {
        "prices": {name: price for name, price in prices.items() if price is not None},
        "latencies": {name: of.model_dump(mode="json") for name, of in latencies.items() if of is not None},
    }
    return {name: values for name, values in stated.items() if values}


def _target_languages(utterances: list[Utterance], runs: Mapping[str, RunRecord]) -> dict[str, str]:
    """Return each utterance's target language, as the data or else the runs state it."""
    stated = {run.parameters.get("target_language") for run in runs.values()} - {None}
    other = str(stated.pop()) if len(stated) == 1 else UNDETERMINED
    return {utterance.id: utterance.target_language or other for utterance in utterances}
