"""What can be set on a distillation: the form, the YAML file and the flags."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import ConfigDict, Field

from components.training.config import TrainingConfig
from components.translation.config import TranslationConfig
from flows.parameters import DataSet, FlowParameters


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


class DistillTeacher(TranslationConfig):
    """Who teaches, and how its translations are searched for."""

    model_config = ConfigDict(title="Teacher (teacher)")

    beam_size: int = Field(4, ge=1, le=64, title="Beam size", description="hypotheses kept per sentence")
    n_best: int = Field(
        4, ge=1, le=64, title="N-best", description="hypotheses that 'interpolated' chooses from"
    )
    members: tuple[str, ...] = Field(
        (), title="Further members", description="models beside the first: the teacher is their ensemble"
    )
    method: Literal["linear", "log_linear"] = Field(
        "linear", title="Combination", description="of the members; the word level is always linear"
    )
    coefficients: tuple[float, ...] = Field(
        (), title="Coefficients", description="one per model, in their order; empty = equal"
    )
    run: str | None = Field(
        None,
        title="Run",
        description="instead of models: a finished run (cascade, stack, ...) on training data, by its name",
    )


class DistillStudent(TrainingConfig):
    """Shape and training of the student."""

    model_config = ConfigDict(title="Student (student)")

    layers: int = Field(2, ge=1, le=24, title="Layers", description="encoder layers")
    decoder_layers: int | None = Field(
        1, ge=1, le=24, title="Decoder layers", description="as many as encoder layers if empty"
    )


class DistillParameters(FlowParameters):
    """What can be set on a distillation."""

    model_config = ConfigDict(title="Distillation")

    level: Literal["none", "word", "sequence", "interpolated", "sequence_and_word"] = Field(
        "sequence",
        title="Level",
        description="word = the teacher's distribution at each word; sequence = what it says; interpolated = "
        "what it says that is nearest to the reference; none = the same student without a teacher",
    )
    temperature: float = Field(
        1.0, gt=0.0, le=100.0, title="Temperature", description="word level: flattens the distributions"
    )
    word_share: float = Field(
        0.5, ge=0.0, le=1.0, title="Word-level share", description="of the loss; the rest is cross-entropy"
    )
    teacher_layers: bool = Field(
        False,
        title="Teacher's layers",
        description="begin with evenly spaced layers of the teacher's first model",
    )
    test: str | None = Field(
        None, title="Test data", description="parallel text to score the finished student on; never selects"
    )
    beam_size: int = Field(5, ge=1, le=64, title="Beam size", description="of the search when scoring")
    teacher: DistillTeacher = Field(default=DistillTeacher(), title="Teacher", description="who is imitated")
    student: DistillStudent = Field(
        default=DistillStudent(), title="Student", description="its shape, its data and its training"
    )

    @property
    def data_set(self) -> DataSet | None:
        """The training data, where a model translates them."""
        student = self.student
        if LEVELS[self.level].choose is None or self.teacher.run is not None:
            return None
        return student.data, None, student.source_language, student.target_language, student.limit
