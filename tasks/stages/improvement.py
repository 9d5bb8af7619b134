"""The ``improvement`` stage: remedies for the errors of a finished run, tried on a probe; the best is run."""

from __future__ import annotations

from pathlib import Path

from prefect import get_run_logger, task
from prefect.client.schemas.objects import State

from components import metrics
from components.attribution.attribution import Attribution
from components.attribution.substitution import chain_of
from components.files.files import write_bytes, write_json
from components.improvement.bounds import bound_gain
from components.improvement.forecast import Improvement
from components.improvement.remedies import format_pipeline, propose
from components.improvement.situation import Choices, Situation
from components.pipeline.pipeline import DATA, Pipeline
from components.run_record import StageRef
from components.storage.stages.stage_plan import StagePlan, content_of, library_versions
from components.storage.stages.whole_stage import TABLES, Product, compute_once
from components.storage.store import Store
from reports.analyses import improvement_report
from reports.analyses.stage_results import IMPROVEMENT, read_improvement
from tasks.artifacts import publish_table
from tasks.stages.metrics import LIBRARIES
from tasks.stages.remedy_search import FinishedRun, Limits, RemedySearch
from tasks.task_options import NOT_STORED, as_prefect_state, unwrap

STAGE = "improvement"
IMPROVED = "improved.yaml"
"""The pipeline of the remedy that was run, in the folder of the stage."""


def improve_run(
    finished: FinishedRun, attribution: Attribution, choices: Choices, limits: Limits
) -> StageRef:
    """List remedies for a finished run, try them on a probe, run the best, and compare with the forecast.

    Args:
        finished: the run.
        attribution: its error attribution by the metric of ``limits``.
        choices: of the user.
        limits: how far to go.

    Raises:
        ConfigError: the run has nothing whose errors could be attributed.
    """
    chain = chain_of(finished.pipeline, finished.stages)
    situation = Situation(finished.pipeline, chain, choices)
    proposals = propose(situation)
    search = RemedySearch(finished, chain.output, proposals, limits)
    if limits.budget is not None:
        search.probe_remedies(limits.budget)
        search.run_best(limits.budget)
    result = search.conclude({p.remedy: bound_gain(p, situation, attribution) for p in proposals})
    improved = next((p.pipeline for p in proposals if p.remedy == search.best), None)
    data, output = finished.stages[DATA], finished.stages[chain.output]
    ref: StageRef = unwrap(keep_improvement(data, output, result, improved, finished.store))
    return ref


@task(name=STAGE, task_run_name=STAGE, **NOT_STORED)
def keep_improvement(
    data: StageRef,
    output: StageRef,
    improvement: Improvement,
    improved: Pipeline | None,
    store_url: str | None,
) -> StageRef | State[StageRef]:
    """Keep what was found, and the pipeline that was run, as a stage."""
    plan = StagePlan(
        stage=STAGE,
        kind=STAGE,
        version=f"improvement/1 metrics/{metrics.version}",
        parameters=improvement.model_dump(mode="json"),
        upstream={"data": content_of(data), "output": content_of(output)},
        libraries=library_versions(LIBRARIES),
    )

    def work(folder: Path) -> Product:
        write_json(folder / IMPROVEMENT, improvement.model_dump(mode="json"))
        write_json(folder / TABLES, improvement_report.build_tables(improvement))
        files = [IMPROVEMENT, TABLES]
        if improved is not None:
            write_bytes(folder / IMPROVED, format_pipeline(improved).encode())
            files.append(IMPROVED)
        return Product(files, items=data.items)

    ref = compute_once(Store(store_url), plan, work)
    found = read_improvement(ref)
    get_run_logger().info("improve: %s", improvement_report.summarize(found))
    publish_table(
        improvement_report.build_rows(found),
        STAGE,
        "remedies, what they promise, and what became of the best",
    )
    return as_prefect_state(ref)
