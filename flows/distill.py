"""Distillation: a teacher of any kind -> one small student in the store -> its scores.

The teacher is a model, an ensemble (both imitated word by word or by what they say), or any finished run that
translated training data: a cascade, a stack, a refinement. The student is `store:KEY` for every flow.
`python -m flows.distill` takes the options of `antiphon run distill`.
"""

from __future__ import annotations

from typing import NamedTuple

from prefect import flow
from prefect.client.schemas.objects import State

from components.ensembling import checks as ensembling_checks
from components.ensembling.mixing import Ensemble, MixingConfig
from components.errors import ConfigError
from components.records import RunRecord, StageRef
from components.training import checks
from components.training.distillation import DistillationConfig
from components.translation.config import TranslationConfig
from flows import preflight
from flows.distill_parameters import DistillParameters, DistillTeacher
from flows.parameters import flat
from flows.preflight import Need
from flows.running import Run, ending, name_flow_run
from tasks import data, distilling, ensembling, training, translation
from tasks.runners import runner


class Level(NamedTuple):
    """What a level takes from the teacher: hypotheses as targets (``choose``), distributions (``word``)."""

    choose: str | None
    word: bool


LEVELS = {
    "none": Level(None, word=False),
    "word": Level(None, word=True),
    "sequence": Level("best", word=False),
    "interpolated": Level("closest", word=False),
    "sequence_and_word": Level("best", word=True),
}


@flow(name="distill", task_runner=runner(), persist_result=False, flow_run_name=name_flow_run)
@flat(DistillParameters)
def distill(parameters: DistillParameters) -> RunRecord | State[RunRecord]:
    """Distil a teacher into one student, keep it in the store and score it."""
    preflight.refuse(needs(parameters))
    run = Run("distill", parameters)
    with run:
        config = student_of(parameters)
        choose = LEVELS[parameters.level].choose
        if choose is not None:
            stages = _teach(parameters, run)
            made = run.add(distilling.targets(stages, choose, config.target_language, run.store_url))
            config = config.model_copy(update={"data": distilling.path_of(made), "limit": None})
        trained = run.add(distilling.student(config, run.store_url))
        run.notes.append(f"student store:{trained.key}")
        # Scored as any training; the data are those of the user, not the teacher's.
        scored = run.add(
            training.score(config, trained, parameters.test, parameters.beam_size, run.store_url)
        )
        run.metrics = training.read_scores(scored)
        training.publish(run.record)
    return ending(run.record)


def needs(parameters: DistillParameters) -> list[Need]:
    """What the stages need before anything is computed."""
    url, teacher, student = parameters.store, parameters.teacher, parameters.student
    config = student_of(parameters)
    if teacher.run is not None:  # whose outputs take the place of the student's data
        config = config.model_copy(update={"data": config.dev})
    found = [
        Need("distill", lambda: _check(parameters)),
        Need("student", lambda: checks.check_distillation(config, url)),
        preflight.tested(parameters.test, student.source_language, student.target_language),
    ]
    if LEVELS[parameters.level].choose is None:
        return found
    if teacher.run is not None:
        return [*found, Need("teacher", lambda: distilling.taught_by(str(teacher.run), url))]
    languages = frozenset({(student.source_language, student.target_language)})
    if teacher.members:
        mixed = _mixture(teacher)
        return [*found, Need("teacher", lambda: ensembling_checks.check_mixture(mixed, url))]
    taught = preflight.translated(_alone(teacher), url, "teacher")
    return [*found, taught, Need("teacher", lambda: taught.admit(languages))]


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


def _teach(parameters: DistillParameters, run: Run) -> dict[str, StageRef]:
    """Sources and what the teacher says to them: a finished run's, or computed now, shard by shard."""
    teacher, student = parameters.teacher, parameters.student
    if teacher.run is not None:
        stages = distilling.taught_by(teacher.run, run.store_url)
        for ref in stages.values():
            run.add(ref)
        return stages
    languages = (student.source_language, student.target_language)
    loaded = run.add(data.load(student.data, None, *languages, student.limit, run.store_url))
    if teacher.members:
        run.add(ensembling.mix(_mixture(teacher), (loaded,), run.store_url, parameters.seed))
    else:
        run.add(translation.translate(_alone(teacher), (loaded,), run.store_url, parameters.seed))
    return run.stages


def _alone(teacher: DistillTeacher) -> TranslationConfig:
    """The teacher's first model, and how it is searched."""
    return TranslationConfig.model_validate(teacher.model_dump(include=set(TranslationConfig.model_fields)))


def _mixture(teacher: DistillTeacher) -> Ensemble:
    """All models of the teacher as one."""
    mixing = MixingConfig(method=teacher.method, coefficients=teacher.coefficients)
    members = (teacher.model, *teacher.members)
    return Ensemble.model_validate({**_alone(teacher).model_dump(), "members": members, "mixing": mixing})


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("distill")
