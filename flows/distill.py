"""Distillation: a teacher of any kind -> one small student in the store -> its scores.

The teacher is a model, an ensemble (both imitated word by word or by what they say), or any finished run that
translated training data: a cascade, a stack, a refinement. The student is `store:KEY` for every flow.
`python -m flows.distill` takes the options of `antiphon run distill`.
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from components.errors import ConfigError
from components.records import RunRecord
from flows import preflight
from flows.distill_parameters import LEVELS, DistillParameters, pipeline, student_of, taught_by
from flows.parameters import flat
from flows.preflight import Need
from flows.running import Run, name_flow_run
from flows.system import run_models
from tasks import model_scores
from tasks.runners import runner


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


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("distill")
