"""The ``blame`` stage: texts put right, wholly and in parts, and everything below them run again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from prefect import get_run_logger, task
from prefect.client.schemas.objects import State

from components import metrics
from components.analysis.cascade_attribution import NOTHING_TO_ATTRIBUTE, AttributionCase, attribute_cascade
from components.errors import DataError
from components.files import write_bytes, write_json
from components.pipeline.pipeline import DATA, Node, Pipeline
from components.pipeline.substitution import SEGMENTS, attributed_stages_of, chain_of, variants_of
from components.records import StageRef
from components.storage.reader import read_best_texts, read_utterances
from components.storage.stage_plan import StagePlan, content_of, library_versions
from components.storage.store import Store
from components.storage.whole_stage import Product, compute_once
from reports.analyses import attribution_report
from reports.analyses.stage_results import BLAME, VALUES, read_blame
from tasks.artifacts import publish_table
from tasks.execution.joint_execution import execute_together
from tasks.stages import data as loading
from tasks.stages.metrics import LIBRARIES
from tasks.task_options import NOT_STORED, as_prefect_state, unwrap


def check_references(data: StageRef) -> None:
    """Before any long work on speech: whether there will be anything to blame.

    Raises:
        DataError: nothing is spoken with both a reference transcript and a reference translation.
    """
    if not any(one.audio and one.transcript and any(one.references) for one in read_utterances(data)):
        raise DataError(NOTHING_TO_ATTRIBUTE)


def attribute_errors(
    pipeline: Pipeline,
    stages: Mapping[str, StageRef],
    seed: int,
    store: str | None,
    segments: str | None = None,
) -> StageRef:
    """Blame a finished system: run it again on gold texts, as one graph in which what is known is reused.

    Args:
        stages: of the run, by node.
        segments: a manifest of the same recordings cut by hand, to blame how they were cut as well.
    """
    chain = chain_of(pipeline, stages)
    if chain.transcripts:
        check_references(stages[DATA])
    variants = variants_of(pipeline, chain, segments)
    systems = {"": pipeline.subgraph_of(chain.output)} | {
        _node_prefix(name): one for name, one in variants.items()
    }
    known = dict(stages)
    if segments is not None:
        known[SEGMENTS] = unwrap(loading.load_data(segments, None, *pipeline.languages, None, store))
    executed = execute_together(systems, dict.fromkeys(systems, known), store, seed)
    outputs = {}
    for name, variant in {"": systems[""], **variants}.items():
        part = executed[_node_prefix(name)]
        part.raise_first_error()
        output = part.pipeline.outputs["translation"]
        if output in part.stages:
            changed = [
                one.name for one in variant if one.name not in pipeline.nodes and _keeps_only_changed(one)
            ]
            outputs[name] = SubstitutedOutput(part.stages[output], *(part.stages[each] for each in changed))
    last = outputs.pop("").texts
    transcripts = [stages[name] for name in chain.transcripts]
    blamed = AttributedStages(
        attributed_stages_of(chain, segments=segments is not None), " and ".join(chain.rest)
    )
    ref: StageRef = unwrap(compute_attribution(stages[DATA], transcripts, last, outputs, blamed, store))
    return ref


def _keeps_only_changed(node: Node) -> bool:
    """Whether only the utterances go on whose text it puts right."""
    return bool(getattr(node.settings, "only_changed", False))


def _node_prefix(variant: str) -> str:
    """The name of a variant in the names of nodes."""
    return variant.replace("+", "-and-")


class SubstitutedOutput(NamedTuple):
    """What came out on gold texts, and the texts that changed, where only these went on."""

    texts: StageRef
    changed: StageRef | None = None

    def by_id(self) -> dict[str, str]:
        """The texts of the utterances that changed, by their ids."""
        texts = read_best_texts(self.texts)
        changed = texts if self.changed is None else read_best_texts(self.changed)
        return {key: texts[key] for key in changed if key in texts}


class AttributedStages(NamedTuple):
    """The stages that are blamed, with their parts, and the name of the last."""

    stages: dict[str, tuple[str, ...]]
    last: str


@task(name="blame", task_run_name="blame", **NOT_STORED)
def compute_attribution(
    data: StageRef,
    transcripts: Sequence[StageRef],
    last: StageRef,
    outputs: Mapping[str, SubstitutedOutput],
    attributed: AttributedStages,
    store_url: str | None,
) -> StageRef | State[StageRef]:
    """Where quality is lost, from the outputs on each set of gold texts; ``last`` is the output as it is."""
    refs = {
        f"{name} {role}": ref for name, one in outputs.items() for role, ref in one._asdict().items() if ref
    }
    plan = StagePlan(
        stage="blame",
        kind="blame",
        version=f"blame/2 metrics/{metrics.version}",
        parameters={"stages": attributed.stages, "last": attributed.last},
        upstream={"data": content_of(data), "last": content_of(last)}
        | {f"transcripts {number}": content_of(ref) for number, ref in enumerate(transcripts)}
        | {name: content_of(ref) for name, ref in refs.items()},
        libraries=library_versions(LIBRARIES),
    )

    def work(folder: Path) -> Product:
        texts = {name: one.by_id() for name, one in outputs.items()}
        report, values = attribute_cascade(
            _read_cases(data, transcripts, last), texts, *attributed, data.items
        )
        write_json(folder / BLAME, report.model_dump(mode="json"))
        lines = [json.dumps({"id": key, **numbers}) for key, numbers in values.items()]
        write_bytes(folder / VALUES, "".join(line + "\n" for line in lines).encode())
        return Product([BLAME, VALUES], items=data.items)

    ref = compute_once(Store(store_url), plan, work)
    report = read_blame(ref)
    for one in report.blames:
        get_run_logger().info("blame: %s", attribution_report.summarize(one))
    publish_table(
        attribution_report.build_rows(report),
        "blame",
        "what each stage costs, and which errors of the transcript",
    )
    return as_prefect_state(ref)


def _read_cases(data: StageRef, transcripts: Sequence[StageRef], last: StageRef) -> list[AttributionCase]:
    """The utterances that came out, with their transcripts where these are blamed."""
    spoken = {key: text for ref in reversed(transcripts) for key, text in read_best_texts(ref).items()}
    texts = read_best_texts(last)
    return [
        AttributionCase(one, spoken.get(one.id, ""), texts[one.id])
        for one in read_utterances(data)
        if one.id in texts and (one.id in spoken or not transcripts)
    ]
