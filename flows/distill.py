"""Distillation: a teacher of any kind -> one small student in the store -> its scores.

The teacher is a model, an ensemble (both imitated word by word or by what they say), or any finished run that
translated training data: a cascade, a stack, a refinement. The student is `store:KEY` for every flow.
`python -m flows.distill` takes the options of `antiphon run distill`.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from components.errors import ConfigError
from components.pipeline.pipeline import Pipeline
from components.pipeline.reader import read
from components.records import RunRecord, StageRef
from components.storage.store import Store
from components.training.config import DistillationConfig
from components.translation.config import TranslationConfig
from flows import preflight
from flows.distill_parameters import LEVELS, DistillParameters, DistillTeacher
from flows.parameters import flat
from flows.preflight import Need
from flows.running import Run, name_flow_run
from flows.system import run_models
from reports.run_outputs import output_of
from tasks import model_scores
from tasks.runners import runner


def pipeline(parameters: DistillParameters) -> Pipeline:
    """``training`` gives the student; at sequence level from the ``targets`` of the teacher, ``mt``."""
    config, choose = student_of(parameters), LEVELS[parameters.level].choose
    languages = {"source_language": config.source_language, "target_language": config.target_language}
    training: dict[str, Any] = {"kind": "distill", **config.model_dump(exclude={"kind"})}
    if choose is None:
        return read({"nodes": {"training": training}, **languages})
    nodes = {
        **_teacher(parameters),
        "targets": {"kind": "targets", "of": "mt", "choose": choose},
        "training": {**training, "targets": "targets", "limit": None},
    }
    return read({"nodes": nodes, **languages})


def _teacher(parameters: DistillParameters) -> dict[str, dict[str, Any]]:
    """The nodes that translate the training data: models, or the outputs of a finished run."""
    teacher = parameters.teacher
    if teacher.run is not None:
        stages = taught_by(teacher.run, parameters.store)
        nodes = {"asr": {"kind": "stored", "key": stages["asr"].key}} if "asr" in stages else {}
        of = "asr" if nodes else "data"
        return {**nodes, "mt": {"kind": "stored", "to": "target", "of": of, "key": stages["mt"].key}}
    node: dict[str, Any] = {"kind": "translate", **_search(teacher).model_dump()}
    if teacher.members:
        mixing = {"method": teacher.method, "coefficients": teacher.coefficients}
        node |= {"members": teacher.members, "combine": mixing}
    return {"mt": node}


def taught_by(run_name: str, store_url: str | None) -> dict[str, StageRef]:
    """Sources and final translations of a finished run, verified: ``data``, ``mt``, and ``asr`` if it heard.

    Raises:
        StoreError: no such run, or its outputs were changed.
        ConfigError: a run without outputs to learn from.
    """
    run = Store(store_url).load_run(run_name)
    stages = {ref.stage: ref for ref in run.stages}
    named = {
        "data": stages.get("data"),
        "asr": output_of(run, "transcript"),
        "mt": output_of(run, "translation"),
    }
    taught = {role: ref for role, ref in named.items() if ref is not None}
    if not {"data", "mt"} <= taught.keys():
        raise ConfigError(
            f"teacher.run: expected a run with the stage data and translations, found "
            f"{', '.join(stages) or 'none'} in {run_name}; name a run of cascade, ensemble, stack or refine "
            "on the training data"
        )
    return taught


def needs(parameters: DistillParameters) -> list[Need]:
    """What teacher, student and its scores need before anything is computed."""
    languages = parameters.student.source_language, parameters.student.target_language
    asked = [Need("distill", lambda: _check(parameters)), preflight.tested(parameters.test, *languages)]
    preflight.refuse(asked)  # before its nodes, which assume as much
    return [*asked, *preflight.of_pipeline(pipeline(parameters), parameters.store, parameters.seed)]


@flow(name="distill", task_runner=runner(), persist_result=False, flow_run_name=name_flow_run)
@flat(DistillParameters)
def distill(parameters: DistillParameters) -> RunRecord | State[RunRecord]:
    """Distil a teacher into one student, keep it in the store and score it."""
    wanted, teacher = needs(parameters), parameters.teacher

    def after(run: Run) -> None:
        # Scored as any training; the data are those of the user, not the teacher's.
        asked = (student_of(parameters), run.stages["training"], parameters.test, parameters.beam_size)
        scored = model_scores.score(*asked, run.store_url)
        run.metrics = model_scores.read_scores(run.add(scored))

    loaded = None if teacher.run is None else taught_by(teacher.run, parameters.store)["data"]
    return run_models("distill", parameters, pipeline(parameters), wanted, after, loaded)


def student_of(parameters: DistillParameters) -> DistillationConfig:
    """The student's training: its own settings, the teacher's vocabulary unless it names one, the level."""
    teacher, student = parameters.teacher, parameters.student
    values = student.model_dump()
    if student.tokenizer is None and student.start is None and teacher.run is None:
        values["tokenizer"] = teacher.model
    if LEVELS[parameters.level].word:
        values |= {"teachers": (teacher.model, *teacher.members), "teacher_weights": teacher.coefficients}
    if parameters.teacher_layers:
        values["layers_of"] = teacher.model
    more = {"temperature": parameters.temperature, "word_share": parameters.word_share}
    return DistillationConfig.model_validate(values | more)


def _check(parameters: DistillParameters) -> None:
    """Refuse what cannot work before anything is computed."""
    teacher, level = parameters.teacher, LEVELS[parameters.level]
    if teacher.run is not None and (level.word or parameters.teacher_layers):
        wish = "the word level needs" if level.word else "teacher_layers needs"
        raise ConfigError(
            f"teacher.run: {wish} a model's distributions and weights, found the texts of {teacher.run!r}; "
            "use level sequence or interpolated, or name teacher.model"
        )
    if level.word and teacher.method != "linear":
        raise ConfigError(
            f"teacher.method: the word level imitates the linear mixture, found {teacher.method}; "
            "use level sequence, or method linear"
        )
    if parameters.teacher_layers and parameters.student.start is not None:
        raise ConfigError("expected teacher_layers or student.start, found both; leave one out")
    if parameters.student.kind != "translation":
        raise ConfigError(f"student.kind: expected translation, found {parameters.student.kind}")


def _search(teacher: DistillTeacher) -> TranslationConfig:
    """The teacher's first model, and how translations are searched for."""
    return TranslationConfig.model_validate(teacher.model_dump(include=set(TranslationConfig.model_fields)))


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("distill")
