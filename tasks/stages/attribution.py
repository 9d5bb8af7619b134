"""The ``blame`` stage: error attribution by oracle substitution.

Texts are corrected, wholly and in parts, and everything below them runs again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from prefect import get_run_logger, task
from prefect.client.schemas.objects import State

from components import metrics
from components.attribution.cascade_attribution import (
    NOTHING_TO_ATTRIBUTE,
    AttributionCase,
    attribute_cascade,
)
from components.attribution.substitution import SEGMENTS, chain_of, list_attributed_stages, variants_of
from components.errors import DataError
from components.files.files import write_bytes, write_json
from components.metrics.normalizers import BY_LANGUAGE
from components.pipeline.pipeline import DATA, Node, Pipeline
from components.run_record import StageRef
from components.storage.stages.reader import read_best_texts, read_utterances
from components.storage.stages.stage_plan import StagePlan, content_of, library_versions
from components.storage.stages.whole_stage import Product, compute_once
from components.storage.store import Store
from reports.analyses import attribution_report
from reports.analyses.stage_results import BLAME, VALUES, read_blame
from tasks.artifacts import publish_table
from tasks.execution.joint_execution import execute_together
from tasks.stages import data as loading
from tasks.stages.metrics import LIBRARIES
from tasks.task_options import NOT_STORED, as_prefect_state, unwrap


def check_references(data: StageRef) -> None:
    """Check before any long work on speech that there is something to attribute.

    Raises:
        DataError: no spoken utterance has both a reference transcript and a reference translation.
    """
    if not any(
        utterance.audio and utterance.transcript and any(utterance.references)
        for utterance in read_utterances(data)
    ):
        raise DataError(NOTHING_TO_ATTRIBUTE)


def attribute_errors(
    pipeline: Pipeline,
    stages: Mapping[str, StageRef],
    seed: int,
    store: str | None,
    segments: str | None = None,
    *,
    human_scores: Mapping[str, float] | None = None,
    normalizer: str = BY_LANGUAGE,
) -> StageRef:
    """Attribute the errors of a finished system to its stages.

    It runs again on gold texts, as one graph in which finished stages are reused.

    Args:
        pipeline: that of the run.
        stages: of the run, by node.
        seed: of the run.
        store: URL of the store.
        segments: a manifest of the same recordings cut by hand, to attribute errors of segmentation as well.
        human_scores: metric -> what a human scores against the same references.
        normalizer: of the run, for the WER of utterances.
    """
    chain = chain_of(pipeline, stages)
    if chain.transcripts:
        check_references(stages[DATA])
    variants = variants_of(pipeline, chain, segments)
    systems = {"": pipeline.subgraph_of(chain.output)} | {
        _node_prefix(name): graph for name, graph in variants.items()
    }
    finished = dict(stages)
    if segments is not None:
        finished[SEGMENTS] = unwrap(loading.load_data(segments, None, *pipeline.languages, None, store))
    executed = execute_together(systems, dict.fromkeys(systems, finished), store, seed)
    outputs = {}
    for name, variant in {"": systems[""], **variants}.items():
        part = executed[_node_prefix(name)]
        part.raise_first_error()
        output = part.pipeline.outputs["translation"]
        if output in part.stages:
            changed = [
                node.name for node in variant if node.name not in pipeline.nodes and _keeps_only_changed(node)
            ]
            outputs[name] = SubstitutedOutput(
                part.stages[output], *(part.stages[node_name] for node_name in changed)
            )
    last = outputs.pop("").texts
    transcripts = [stages[name] for name in chain.transcripts]
    blamed = AttributedStages(
        list_attributed_stages(chain, segments=segments is not None),
        " and ".join(chain.rest),
        dict(human_scores or {}),
        normalizer,
    )
    ref: StageRef = unwrap(compute_attribution(stages[DATA], transcripts, last, outputs, blamed, store))
    return ref


def _keeps_only_changed(node: Node) -> bool:
    """Return whether only the utterances go on whose text the node corrects."""
    return bool(getattr(node.settings, "only_changed", False))


def _node_prefix(variant: str) -> str:
    """Return the name of a variant as it begins the names of nodes."""
    return variant.replace("+", "-and-")


class SubstitutedOutput(NamedTuple):
    """The output on gold texts, and the texts that changed, where only these went on."""

    texts: StageRef
    changed: StageRef | None = None

    def by_id(self) -> dict[str, str]:
        """Return the texts of the utterances that changed, by id."""
        texts = read_best_texts(self.texts)
        changed = texts if self.changed is None else read_best_texts(self.changed)
        return {key: texts[key] for key in changed if key in texts}


class AttributedStages(NamedTuple):
    """The stages that errors are attributed to with their parts, the last one's name, and how they count."""

    stages: dict[str, tuple[str, ...]]
    last: str
    human_scores: dict[str, float]
    normalizer: str


@task(name="blame", task_run_name="blame", **NOT_STORED)
def compute_attribution(
    data: StageRef,
    transcripts: Sequence[StageRef],
    last: StageRef,
    outputs: Mapping[str, SubstitutedOutput],
    attributed: AttributedStages,
    store_url: str | None,
) -> StageRef | State[StageRef]:
    """Compute where quality is lost, from the outputs on each set of gold texts.

    Args:
        data: the data set.
        transcripts: stages of the transcripts that are corrected.
        last: the output as it is.
        outputs: name of a set of gold texts -> the output on it.
        attributed: the stages that errors are attributed to.
        store_url: URL of the store.
    """
    plan = _make_plan(data, transcripts, last, outputs, attributed)

    def work(folder: Path) -> Product:
        texts = {name: output.by_id() for name, output in outputs.items()}
        report, values = attribute_cascade(
            _read_cases(data, transcripts, last),
            texts,
            attributed.stages,
            attributed.last,
            data.items,
            human_scores=attributed.human_scores,
            normalizer=attributed.normalizer,
        )
        write_json(folder / BLAME, report.model_dump(mode="json"))
        lines = [json.dumps({"id": key, **numbers}) for key, numbers in values.items()]
        write_bytes(folder / VALUES, "".join(line + "\n" for line in lines).encode())
        return Product([BLAME, VALUES], items=data.items)

    ref = compute_once(Store(store_url), plan, work)
    report = read_blame(ref)
    for entry in report.blames:
        get_run_logger().info("blame: %s", attribution_report.summarize(entry))
    publish_table(
        attribution_report.build_rows(report),
        "blame",
        "what each stage costs, and which errors of the transcript",
    )
    return as_prefect_state(ref)


def _make_plan(
    data: StageRef,
    transcripts: Sequence[StageRef],
    last: StageRef,
    outputs: Mapping[str, SubstitutedOutput],
    attributed: AttributedStages,
) -> StagePlan:
    refs = {
        f"{name} {role}": ref
        for name, output in outputs.items()
        for role, ref in output._asdict().items()
        if ref
    }
    return StagePlan(
        stage="blame",
        kind="blame",
        version=f"blame/5 metrics/{metrics.version}",
        parameters=attributed._asdict(),
        upstream={"data": content_of(data), "last": content_of(last)}
        | {f"transcripts {number}": content_of(ref) for number, ref in enumerate(transcripts)}
        | {name: content_of(ref) for name, ref in refs.items()},
        libraries=library_versions(LIBRARIES),
    )


def _read_cases(data: StageRef, transcripts: Sequence[StageRef], last: StageRef) -> list[AttributionCase]:
    """Return the utterances that have an output, with their transcripts where these are corrected."""
    spoken = {key: text for ref in reversed(transcripts) for key, text in read_best_texts(ref).items()}
    texts = read_best_texts(last)
    return [
        AttributionCase(utterance, spoken.get(utterance.id, ""), texts[utterance.id])
        for utterance in read_utterances(data)
        if utterance.id in texts and (utterance.id in spoken or not transcripts)
    ]
