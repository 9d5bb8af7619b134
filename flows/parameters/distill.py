"""Parameters of the flow `distill`, and the pipeline that they stand for."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import ConfigDict, Field

from components.analysis.run_outputs import output_of
from components.errors import ConfigError
from components.pipeline.pipeline import Pipeline
from components.pipeline.reader import read_pipeline
from components.run_record import StageRef
from components.storage.store import Store
from components.training.config import TrainingConfig
from components.training.kinds.targets import OutputFilter
from components.training.students.distillation_config import DistillationConfig
from components.translation.config import TranslationConfig
from flows.parameters.base import DataSet, FlowParameters


class Level(NamedTuple):
    """What a level takes from the teacher.

    Attributes:
        choose: which of its hypotheses become targets; None for none.
        word: whether the student learns its next-token distributions.
    """

    choose: str | None
    word: bool


LEVELS = {
    "none": Level(None, word=False),
    "word": Level(None, word=True),
    "sequence": Level("best", word=False),
    "interpolated": Level("closest", word=False),
    "sequence_and_word": Level("best", word=True),
}


class DistillTeacher(TranslationConfig):
    """Who teaches, and how its translations are searched for."""

    model_config = ConfigDict(title="Teacher (teacher)")

    beam_size: int = Field(4, ge=1, le=64, description="hypotheses kept per sentence")
    n_best: int = Field(4, ge=1, le=64, description="hypotheses that 'interpolated' chooses from")
    members: tuple[str, ...] = Field(
        (), title="Further members", description="models beside the first: the teacher is their ensemble"
    )
    method: Literal["linear", "log_linear"] = Field(
        "linear", title="Combination", description="of the members; the word level is always linear"
    )
    coefficients: tuple[float, ...] = Field((), description="one per model, in their order; empty = equal")
    run: str | None = Field(
        None,
        description="instead of models: a finished run (cascade, stack, ...) on training data, by its name",
    )


class DistillStudent(TrainingConfig):
    """Shape and training of the student."""

    model_config = ConfigDict(title="Student (student)")

    num_layers: int = Field(2, ge=1, le=24, title="Layers", description="encoder layers")
    decoder_layers: int | None = Field(1, ge=1, le=24, description="as many as encoder layers if empty")


class DistillParameters(FlowParameters):
    """What can be set on a distillation."""

    model_config = ConfigDict(title="Distillation")

    level: Literal["none", "word", "sequence", "interpolated", "sequence_and_word"] = Field(
        "sequence",
        description="word = the teacher's distribution at each word; sequence = what it says; interpolated = "
        "what it says that is nearest to the reference; none = the same student without a teacher",
    )
    temperature: float = Field(1.0, gt=0.0, le=100.0, description="word level: flattens the distributions")
    kd_ratio: float = Field(
        0.5, ge=0.0, le=1.0, title="Word-level share", description="of the loss; the rest is cross-entropy"
    )
    teacher_layers: bool = Field(
        False,
        title="Teacher's layers",
        description="begin with evenly spaced layers of the teacher's first model",
    )
    estimator: str | None = Field(
        None,
        description="judges the teacher's translations for keep_threshold or keep_share: packaged:NAME, "
        "store:KEY or store:RUN (of antiphon run estimate)",
    )
    keep_by: str = Field(
        OutputFilter.model_fields["keep_by"].default,
        description=OutputFilter.model_fields["keep_by"].description,
    )
    keep_threshold: float | None = Field(
        None, description=OutputFilter.model_fields["keep_threshold"].description
    )
    keep_share: float | None = Field(
        None, gt=0, le=1, description=OutputFilter.model_fields["keep_share"].description
    )
    test: str | None = Field(
        None, title="Test data", description="parallel text to score the finished student on; never selects"
    )
    beam_size: int = Field(5, ge=1, le=64, description="of the search when scoring")
    teacher: DistillTeacher = Field(default=DistillTeacher(), description="who is imitated")
    student: DistillStudent = Field(
        default=DistillStudent(), description="its shape, its data and its training"
    )

    @property
    def filter_settings(self) -> dict[str, Any]:
        """The settings of ``targets`` that say which of the teacher's outputs are learned."""
        values = {name: getattr(self, name) for name in OutputFilter.model_fields}
        return values if self.keep_threshold is not None or self.keep_share is not None else {}

    @property
    def data_set(self) -> DataSet | None:
        """The training data, where a model translates them."""
        student = self.student
        if LEVELS[self.level].choose is None or self.teacher.run is not None:
            return None
        return student.data, None, student.source_language, student.target_language, student.limit


def pipeline(parameters: DistillParameters) -> Pipeline:
    """``training`` gives the student; at sequence level from the ``targets`` of the teacher, ``mt``."""
    config, choose = student_of(parameters), LEVELS[parameters.level].choose
    languages = {"source_language": config.source_language, "target_language": config.target_language}
    training: dict[str, Any] = {"kind": "distill", **config.model_dump(exclude={"kind"})}
    if choose is None:
        return read_pipeline({"nodes": {"training": training}, **languages})
    judged = "mt" if parameters.estimator is None else "estimate"
    judge = (
        {} if judged == "mt" else {judged: {"kind": "estimate", "of": "mt", "model": parameters.estimator}}
    )
    nodes = {
        **_teacher_nodes(parameters),
        **judge,
        "targets": {"kind": "targets", "of": judged, "choose": choose, **parameters.filter_settings},
        "training": {**training, "targets": "targets", "limit": None},
    }
    return read_pipeline({"nodes": nodes, **languages})


def _teacher_nodes(parameters: DistillParameters) -> dict[str, dict[str, Any]]:
    """The nodes that translate the training data: models, or the outputs of a finished run."""
    teacher = parameters.teacher
    if teacher.run is not None:
        stages = teacher_outputs(teacher.run, parameters.store)
        nodes = {"asr": {"kind": "stored", "key": stages["asr"].key}} if "asr" in stages else {}
        of = "asr" if nodes else "data"
        return {**nodes, "mt": {"kind": "stored", "to": "target", "of": of, "key": stages["mt"].key}}
    node: dict[str, Any] = {"kind": "translate", **_search_config(teacher).model_dump()}
    if teacher.members:
        mixing = {"method": teacher.method, "coefficients": teacher.coefficients}
        node |= {"members": teacher.members, "combine": mixing}
    return {"mt": node}


def _search_config(teacher: DistillTeacher) -> TranslationConfig:
    """The teacher's first model, and how translations are searched for."""
    fields = set(TranslationConfig.model_fields)
    if teacher.sampling is not None:  # which a teacher's own beam and number of texts would contradict
        fields -= {"beam_size", "n_best"}
    return TranslationConfig.model_validate(teacher.model_dump(include=fields))


def student_of(parameters: DistillParameters) -> DistillationConfig:
    """The student's training: its own settings, the teacher's vocabulary unless it names one, the level."""
    teacher, student = parameters.teacher, parameters.student
    values = student.model_dump()
    if student.tokenizer is None and student.init_from is None and teacher.run is None:
        values["tokenizer"] = teacher.model
    if LEVELS[parameters.level].word:
        values |= {"teachers": (teacher.model, *teacher.members), "teacher_weights": teacher.coefficients}
    if parameters.teacher_layers:
        values["init_layers_from"] = teacher.model
    more = {"temperature": parameters.temperature, "kd_ratio": parameters.kd_ratio}
    return DistillationConfig.model_validate(values | more)


def teacher_outputs(run_name: str, store_url: str | None) -> dict[str, StageRef]:
    """The verified stages of a finished run to learn from: ``data``, ``mt``, and ``asr`` if it has one.

    Raises:
        StoreError: no such run, or its outputs were changed.
        ConfigError: a run without outputs to learn from.
    """
    run = Store(store_url).load_run(run_name)
    stages = {ref.stage: ref for ref in run.stages}
    by_role = {
        "data": stages.get("data"),
        "asr": output_of(run, "transcript"),
        "mt": output_of(run, "translation"),
    }
    outputs = {role: ref for role, ref in by_role.items() if ref is not None}
    if not {"data", "mt"} <= outputs.keys():
        raise ConfigError(
            f"teacher.run: expected a run with the stage data and translations, found "
            f"{', '.join(stages) or 'none'} in {run_name}; name a run of cascade, ensemble, stack or refine "
            "on the training data"
        )
    return outputs
