"""Sequence-level targets from a teacher's outputs, and the training of a student on them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import cast

from prefect import task
from prefect.client.schemas.objects import State

from components.errors import ConfigError, DataError
from components.models.weights import weights_at
from components.profiling import measure_cost
from components.records import StageRef, Utterance
from components.storage.reader import hypotheses, utterances
from components.storage.stage_plan import StagePlan, library_versions, read_by
from components.storage.stage_writer import opened
from components.storage.store import Store
from components.training.distillation import DistillationConfig, DistillationLearner
from components.training.learner import MakeLearner
from components.training.targets import CHOICES
from reports import run_outputs
from tasks import training
from tasks.options import NOT_STORED, shown

TARGETS = "targets.jsonl"
SOURCES = ("data", "mt")
"""What a student learns from: sources, and translations; ``asr`` too, where the sources were heard."""


def taught_by(run_name: str, store_url: str | None) -> dict[str, StageRef]:
    """Sources and final translations of a finished run, verified: ``data``, ``mt``, and ``asr`` if it heard.

    ``mt`` is the last stage that translates: of a stack the second system, of a refinement the last round.

    Raises:
        StoreError: no such run, or its outputs were changed.
        ConfigError: a run without outputs to learn from.
    """
    run = Store(store_url).load_run(run_name)
    stages = {ref.stage: ref for ref in run.stages}
    translation = run_outputs.output_of(run, "translation")
    if "data" not in stages or translation is None:
        raise ConfigError(
            f"teacher.run: expected a run with the stage data and translations, found "
            f"{', '.join(stages) or 'none'} in {run_name}; name a run of cascade, ensemble, stack or refine "
            "on the training data"
        )
    wanted = {name: stages[name] for name in ("data", "asr") if name in stages} | {"mt": translation}
    return {name: ref.model_copy(update={"reused": True}) for name, ref in wanted.items()}


@task(name="targets", **NOT_STORED)
def targets(
    stages: dict[str, StageRef], choose: str, target_language: str, store_url: str | None
) -> StageRef | State[StageRef]:
    """What the teacher said for each source, as a data set to learn from. What it could not say is left out.

    Raises:
        DataError: nothing is left.
    """
    read = [stages[name] for name in (*SOURCES, "asr") if name in stages]
    plan = StagePlan(
        stage="targets",
        version="targets/1",
        parameters={"choose": choose, "target_language": target_language},
        upstream=read_by(*read),
        libraries=library_versions(["sacrebleu"]) if choose == "closest" else {},
    )
    with opened(Store(store_url), plan, records=False) as writer:
        ref = writer.ref
        if ref is None:
            with measure_cost() as cost:
                count = _write(writer.path / TARGETS, stages, choose, target_language)
            if not count:
                raise DataError(
                    f"expected texts with translations by the teacher, found none in {read[1].path}"
                )
            writer.seconds, writer.peak_memory_bytes = cost.seconds, cost.peak_memory_bytes
            ref = writer.seal([TARGETS], items=count)
    return shown(ref)


def path_of(ref: StageRef) -> str:
    """The data set that a ``targets`` stage holds."""
    return str(Path(ref.path) / TARGETS)


def _write(path: Path, stages: dict[str, StageRef], choose: str, language: str) -> int:
    said = hypotheses(stages["mt"])
    head = next(said, None)
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for utterance, source in _sources(stages):
            if head is None or head.utterance_id != utterance.id:
                continue
            text = CHOICES[choose](head, utterance.references, language)
            head = next(said, None)
            if source and text:
                row = {"id": utterance.id, "text": source, "references": [text], "target_language": language}
                row["source_language"] = utterance.source_language
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
    return count


def _sources(stages: dict[str, StageRef]) -> Iterator[tuple[Utterance, str | None]]:
    """Each utterance with its text: written, else its reference transcript, else what ``asr`` heard."""
    heard = hypotheses(stages["asr"]) if "asr" in stages else iter(())
    head = next(heard, None)
    for utterance in utterances(stages["data"]):
        text = utterance.text if utterance.text is not None else utterance.transcript
        if head is not None and head.utterance_id == utterance.id:
            text = head.best.text if text is None else text
            head = next(heard, None)
        yield utterance, text


def plan_of(config: DistillationConfig, store_url: str | None) -> StagePlan:
    """What decides the student: its training, and the teachers of the word level."""
    named = {f"teacher{n}": name for n, name in enumerate(config.teachers)}
    if config.layers_of is not None:
        named["layers_of"] = config.layers_of
    plan = training.plan_of(config, store_url)
    parameters = {k: v for k, v in plan.parameters.items() if k not in {"teachers", "layers_of"}}
    weights = plan.weights | weights_at(named, store_url)
    update = {"parameters": parameters, "weights": weights, "models": plan.models | named}
    return plan.model_copy(update=update)


@task(name="student", **NOT_STORED)
def student(config: DistillationConfig, store_url: str | None) -> StageRef | State[StageRef]:
    """Train the student, or go on where an interrupted training stopped; a finished one is reused."""
    learner = cast(MakeLearner, partial(DistillationLearner, store=store_url))
    plan_now = partial(plan_of, config, store_url)
    return shown(training.made(config, plan_now, learner, DistillationLearner.score_name, store_url))
