"""What the preset ``distill`` asks: who teaches, and what of the teacher is learned."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import ConfigDict, Field

from components.analysis.run_outputs import output_of
from components.errors import ConfigError
from components.pipeline.advice.auto_models import choose_translator
from components.pipeline.advice.recommended_models import CAPTION_SETS
from components.run_record import StageRef
from components.stage_settings import AUTO_MODEL
from components.storage.store import Store
from components.translation.config import TranslationConfig
from flows.parameters.base import DataSet, Nodes
from flows.presets.parameters.finished_run import stored_nodes
from flows.presets.parameters.scored_model import ScoredParameters


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
OWN = {"members", "method", "coefficients", "run"}
"""What a teacher has beside the settings of a translator."""


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

    def node(self) -> dict[str, Any]:
        """Return what is set on the node of a teacher that is a model or an ensemble."""
        # A teacher's own beam and number of texts would contradict samples.
        left_out = OWN if self.sampling is None else {*OWN, "beam_size", "n_best"}
        search = TranslationConfig.model_validate(self.model_dump(exclude=left_out)).model_dump()
        if not self.members:
            return search
        return {
            **search,
            "members": self.members,
            "combine": {"method": self.method, "coefficients": self.coefficients},
        }


class DistillParameters(ScoredParameters):
    """The level, the teacher, and which of its translations are learned."""

    level: Literal["none", "word", "sequence", "interpolated", "sequence_and_word"] = Field(
        "sequence",
        description="word = the teacher's distribution at each word; sequence = what it says; interpolated = "
        "what it says that is nearest to the reference; none = the same student without a teacher",
    )
    teacher_layers: bool = Field(
        False,
        title="Teacher's layers",
        description="begin with evenly spaced layers of the teacher's first model",
    )
    estimator: str | None = Field(
        None,
        description="judges the teacher's translations for keep_threshold or keep_share: packaged:NAME, "
        "store:KEY or store:RUN (of antiphon run estimator)",
    )
    teacher: DistillTeacher = Field(default=DistillTeacher(), description="who is imitated")

    @property
    def languages(self) -> dict[str, str | None]:
        """The student's source and target language."""
        student = self._student()
        return {"source_language": student.source_language, "target_language": student.target_language}

    @property
    def data_set(self) -> DataSet | None:
        """The training data, where a model translates them."""
        if LEVELS[self.level].choose is None or self.teacher.run is not None:
            return None
        student = self._student()
        return student.data, None, student.source_language, student.target_language, student.limit

    @property
    def finished_data(self) -> StageRef | None:
        """The data of the run that teaches."""
        return None if self.teacher.run is None else teacher_outputs(self.teacher.run, self.store)["data"]

    def replace_nodes(self, nodes: Nodes) -> Nodes:
        """The nodes of the level: the teacher and its targets where they are learned, and the training."""
        self._check()
        training = {**nodes["training"], **self._of_teacher(nodes["training"])}
        choose = LEVELS[self.level].choose
        if choose is None:
            return {"training": training}
        judge: Nodes = {}
        if self.estimator is not None:
            judge = {"estimate": {"kind": "estimate", "of": "mt", "model": self.estimator}}
        targets = {**nodes["targets"], "of": next(iter(judge), "mt"), "choose": choose}
        return {
            **self._teacher_nodes(nodes["mt"]),
            **judge,
            "targets": targets,
            "training": {**training, "targets": "targets", "limit": None},
        }

    def _student(self) -> Any:
        """Return the field ``student``, which the preset's form adds."""
        return vars(self)["student"]

    def _teachers(self) -> tuple[str, ...]:
        """Return the models that teach: members alone where no model is named, else the best for the data."""
        teacher, student = self.teacher, self._student()
        if teacher.model != AUTO_MODEL or teacher.members:
            return tuple(model for model in (teacher.model, *teacher.members) if model != AUTO_MODEL)
        captions = student.data.startswith(CAPTION_SETS)
        pair = student.source_language, student.target_language
        return (choose_translator(*pair, captions=captions)[1],)

    def _of_teacher(self, student: dict[str, Any]) -> dict[str, Any]:
        """What a student has of its teacher: the vocabulary unless it names one, distributions, layers."""
        teacher, values = self.teacher, dict[str, Any]()
        if student["tokenizer"] is None and student["init_from"] is None and teacher.run is None:
            values["tokenizer"] = self._teachers()[0]
        if LEVELS[self.level].word:
            values |= {"teachers": self._teachers(), "teacher_weights": teacher.coefficients}
        return values | ({"init_layers_from": self._teachers()[0]} if self.teacher_layers else {})

    def _teacher_nodes(self, mt: dict[str, Any]) -> Nodes:
        """Return the nodes that translate the training data: models, or the outputs of a finished run."""
        if self.teacher.run is None:
            return {"mt": {**mt, **self.teacher.node()}}
        stages = teacher_outputs(self.teacher.run, self.store)
        return stored_nodes(stages["mt"], stages.get("asr"))

    def _check(self) -> None:
        """Refuse what contradicts itself."""
        teacher, level, student = self.teacher, LEVELS[self.level], self._student()
        filters = vars(self)["keep_threshold"] is not None or vars(self)["keep_share"] is not None
        if level.choose is None and (filters or self.estimator):
            raise ConfigError(
                f"level: expected one that learns translations (sequence, interpolated, sequence_and_word) "
                f"for keep_threshold, keep_share and estimator, found {self.level}"
            )
        if self.estimator is not None and not filters:
            raise ConfigError("estimator: expected keep_threshold or keep_share, which use it, found neither")
        if teacher.run is not None and (level.word or self.teacher_layers):
            wish = "the word level needs" if level.word else "teacher_layers needs"
            raise ConfigError(
                f"teacher.run: {wish} a model's distributions and weights, found the texts of "
                f"{teacher.run!r}; use level sequence or interpolated, or name teacher.model"
            )
        if level.word and teacher.method != "linear":
            raise ConfigError(
                f"teacher.method: the word level imitates the linear mixture, found {teacher.method}; "
                "use level sequence, or method linear"
            )
        if self.teacher_layers and student.init_from is not None:
            raise ConfigError("expected teacher_layers or student.init_from, found both; leave one out")
        if student.kind != "translation":
            raise ConfigError(f"student.kind: expected translation, found {student.kind}")


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
