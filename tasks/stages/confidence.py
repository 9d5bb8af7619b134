"""The ``confidence`` stage: how good the estimates of a run's texts are, where there are references."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from components.confidence.evaluation import quality
from components.files.files import write_json
from components.metrics.normalizers import BY_LANGUAGE, libraries_of_normalizer
from components.pipeline.pipeline import DATA
from components.run_record import RunRecord, StageRef
from components.storage.stages.stage_plan import StagePlan, content_of, library_versions
from components.storage.stages.whole_stage import Product, compute_once
from components.storage.store import Store
from reports.analyses.stage_results import CONFIDENCE
from reports.views.scored_texts import is_annotated, read_node_texts
from tasks.task_options import NOT_STORED, as_prefect_state

KIND = "confidence"
LIBRARIES = ("numpy", "rapidfuzz", "sacrebleu", "openai-whisper")


def find_estimates(run: RunRecord) -> list[StageRef]:
    """Return the stages of a run whose texts an estimator has annotated; none in most runs."""
    texts = {node.name for node in run.pipeline.of_data() if node.gives == "text"}
    return [ref for ref in run.stages if ref.stage in texts and is_annotated(ref)]


@task(name="confidence", task_run_name="confidence", **NOT_STORED)
def measure_confidence(
    run: RunRecord, estimated: list[StageRef], store_url: str | None, normalizer: str = BY_LANGUAGE
) -> StageRef | State[StageRef]:
    """Measure the confidences of the texts of a run against their references.

    Args:
        run: so far; its nodes, its data and the sentence scores of models are finished.
        estimated: the stages whose texts have estimates.
        store_url: URL of the store.
        normalizer: that transcripts are counted under.
    """
    names = {ref.stage for ref in estimated}
    read = [ref for ref in run.stages if ref.stage == DATA or ref.stage in names or _is_judgment(ref)]
    plan = StagePlan(
        stage=KIND,
        kind=KIND,
        version=f"{KIND}/{quality.VERSION}",
        parameters={
            "target_language": run.parameters.get("target_language"),
            "normalizer": normalizer,
            "nodes": [ref.stage for ref in estimated],
        },
        upstream={ref.stage: content_of(ref) for ref in read},
        libraries=library_versions((*LIBRARIES, *libraries_of_normalizer(normalizer))),
    )

    def work(folder: Path) -> Product:
        signals = [
            row
            for node in read_node_texts(run, store_url, names)
            for row in quality.measure_quality(
                node.node,
                node.texts,
                node.output,
                normalizer,
                node.further,
                node.bad_below,
                estimated_only=True,
            )
        ]
        write_json(folder / CONFIDENCE, {"signals": [row.model_dump(mode="json") for row in signals]})
        return Product([CONFIDENCE], items=len(signals))

    return as_prefect_state(compute_once(Store(store_url), plan, work))


def _is_judgment(ref: StageRef) -> bool:
    return ref.kind == "sentence_scores"
