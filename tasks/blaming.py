"""The ``blame`` stage: texts put right, wholly and in parts, and everything below them run again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from prefect import get_run_logger, task
from prefect.client.schemas.objects import State

from components import metrics
from components.errors import DataError
from components.files import write_bytes, write_json
from components.metrics.blaming import NOTHING, Case, blame_cases
from components.pipeline.pipeline import DATA, Node, Pipeline
from components.pipeline.substitution import SEGMENTS, chain_of, stages_of, variants_of
from components.records import StageRef
from components.storage.reader import best_texts, utterances
from components.storage.stage_plan import StagePlan, content_of, library_versions
from components.storage.store import Store
from components.storage.whole_stage import Product, compute_once
from reports import blaming
from reports.results import BLAME, VALUES, read_blame
from tasks import data as loading
from tasks.artifacts import publish_table
from tasks.metrics import LIBRARIES
from tasks.options import NOT_STORED, shown, value_of
from tasks.union import execute_together


def check(data: StageRef) -> None:
    """Before any long work on speech: whether there will be anything to blame.

    Raises:
        DataError: nothing is spoken with both a reference transcript and a reference translation.
    """
    if not any(one.audio and one.transcript and any(one.references) for one in utterances(data)):
        raise DataError(NOTHING)


def run(
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
        check(stages[DATA])
    variants = variants_of(pipeline, chain, segments)
    systems = {"": pipeline.until(chain.output)} | {_prefix(name): one for name, one in variants.items()}
    known = dict(stages)
    if segments is not None:
        known[SEGMENTS] = value_of(loading.load(segments, None, *pipeline.languages, None, store))
    executed = execute_together(systems, dict.fromkeys(systems, known), store, seed)
    outputs = {}
    for name, variant in {"": systems[""], **variants}.items():
        part = executed[_prefix(name)]
        part.refuse()
        output = part.pipeline.outputs["translation"]
        if output in part.stages:
            changed = [one.name for one in variant if one.name not in pipeline.nodes and _filters(one)]
            outputs[name] = Output(part.stages[output], *(part.stages[each] for each in changed))
    last = outputs.pop("").texts
    transcripts = [stages[name] for name in chain.transcripts]
    blamed = Blamed(stages_of(chain, segments=segments is not None), " and ".join(chain.rest))
    ref: StageRef = value_of(account(stages[DATA], transcripts, last, outputs, blamed, store))
    return ref


def _filters(node: Node) -> bool:
    """Whether only the utterances go on whose text it puts right."""
    return bool(getattr(node.settings, "only_changed", False))


def _prefix(variant: str) -> str:
    """The name of a variant in the names of nodes."""
    return variant.replace("+", "-and-")


class Output(NamedTuple):
    """What came out on gold texts, and the texts that changed, where only these went on."""

    texts: StageRef
    changed: StageRef | None = None

    def by_id(self) -> dict[str, str]:
        """The texts of the utterances that changed, by their ids."""
        texts = best_texts(self.texts)
        changed = texts if self.changed is None else best_texts(self.changed)
        return {key: texts[key] for key in changed if key in texts}


class Blamed(NamedTuple):
    """The stages that are blamed, with their parts, and the name of the last."""

    stages: dict[str, tuple[str, ...]]
    last: str


@task(name="blame", task_run_name="blame", **NOT_STORED)
def account(
    data: StageRef,
    transcripts: Sequence[StageRef],
    last: StageRef,
    outputs: Mapping[str, Output],
    blamed: Blamed,
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
        parameters={"stages": blamed.stages, "last": blamed.last},
        upstream={"data": content_of(data), "last": content_of(last)}
        | {f"transcripts {number}": content_of(ref) for number, ref in enumerate(transcripts)}
        | {name: content_of(ref) for name, ref in refs.items()},
        libraries=library_versions(LIBRARIES),
    )

    def work(folder: Path) -> Product:
        texts = {name: one.by_id() for name, one in outputs.items()}
        report, values = blame_cases(_cases(data, transcripts, last), texts, *blamed, data.items)
        write_json(folder / BLAME, report.model_dump(mode="json"))
        lines = [json.dumps({"id": key, **numbers}) for key, numbers in values.items()]
        write_bytes(folder / VALUES, "".join(line + "\n" for line in lines).encode())
        return Product([BLAME, VALUES], items=data.items)

    ref = compute_once(Store(store_url), plan, work)
    report = read_blame(ref)
    for one in report.blames:
        get_run_logger().info("blame: %s", blaming.sentence(one))
    publish_table(blaming.rows(report), "blame", "what each stage costs, and which errors of the transcript")
    return shown(ref)


def _cases(data: StageRef, transcripts: Sequence[StageRef], last: StageRef) -> list[Case]:
    """The utterances that came out, with their transcripts where these are blamed."""
    spoken = {key: text for ref in reversed(transcripts) for key, text in best_texts(ref).items()}
    texts = best_texts(last)
    return [
        Case(one, spoken.get(one.id, ""), texts[one.id])
        for one in utterances(data)
        if one.id in texts and (one.id in spoken or not transcripts)
    ]
