"""Distillation: a teacher of any kind -> one small student in the store -> its scores.

The teacher is a model or an ensemble (imitated by its distributions or its translations), or any finished run
that translated training data: a cascade, a stack, a refinement. The student is `store:KEY` for every flow.
`antiphon run distill` runs it.
"""

from __future__ import annotations

from prefect.client.schemas.objects import State

from components.errors import ConfigError
from components.run_record import RunRecord
from flows import preflight
from flows.definition import define_flow
from flows.parameters.distill import LEVELS, DistillParameters, pipeline, student_of, teacher_outputs
from flows.preflight import Need
from flows.run import Run
from flows.system import run_models
from tasks.run_artifacts import publish_run
from tasks.stages import model_scores


def needs(parameters: DistillParameters) -> list[Need]:
    """The checks of the teacher, the student and its test data."""
    languages = parameters.student.source_language, parameters.student.target_language
    own_needs = [
        Need("distill", lambda: _check_teacher(parameters)),
        preflight.need_of_test_data(parameters.test, *languages),
    ]
    preflight.check_needs(own_needs)  # before its nodes, which assume as much
    return [*own_needs, *preflight.needs_of_pipeline(pipeline(parameters), parameters.store, parameters.seed)]


@define_flow(DistillParameters)
def distill(parameters: DistillParameters) -> RunRecord | State[RunRecord]:
    """Distill a teacher into one student, keep it in the store and score it."""
    all_needs, teacher = needs(parameters), parameters.teacher

    def after(run: Run) -> None:
        # Scored as any training; the data are those of the user, not the teacher's.
        arguments = (student_of(parameters), run.stages["training"], parameters.test, parameters.beam_size)
        scores = model_scores.score_model(*arguments, run.store_url)
        run.metrics = model_scores.read_scores(run.add(scores))
        publish_run(run.record)

    loaded = None if teacher.run is None else teacher_outputs(teacher.run, parameters.store)["data"]
    return run_models("distill", parameters, pipeline(parameters), all_needs, after, loaded)


def _check_teacher(parameters: DistillParameters) -> None:
    """Refuse what cannot work before anything is computed."""
    teacher, level = parameters.teacher, LEVELS[parameters.level]
    if level.choose is None and (parameters.filter_settings or parameters.estimator):
        raise ConfigError(
            f"level: expected one that learns translations (sequence, interpolated, sequence_and_word) for "
            f"keep_threshold, keep_share and estimator, found {parameters.level}"
        )
    if parameters.estimator is not None and not parameters.filter_settings:
        raise ConfigError("estimator: expected keep_threshold or keep_share, which use it, found neither")
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
    if parameters.teacher_layers and parameters.student.init_from is not None:
        raise ConfigError("expected teacher_layers or student.init_from, found both; leave one out")
    if parameters.student.kind != "translation":
        raise ConfigError(f"student.kind: expected translation, found {parameters.student.kind}")
