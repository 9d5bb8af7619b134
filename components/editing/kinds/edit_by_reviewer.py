"""``review``: the run waits until a person has approved or corrected the doubtful texts, in Prefect's UI."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator
from typing_extensions import override

from components.editing.correction import (
    CORRECTIONS,
    count_corrections,
    read_stored_corrections,
    write_corrections,
)
from components.editing.editable_text import certainty_of
from components.editing.edited_table import read_ids
from components.editing.questions import answers_as_corrections, choose_doubtful
from components.files.locations.location import file_name_of
from components.nodes.facts import Carry, Items, Mode, state
from components.nodes.kind import Kind
from components.nodes.node_context import Item, NodeContext, NodeSettings
from components.nodes.questions import Question
from components.pipeline.steps.editing import ROLE
from components.run_record import StageRef
from components.stage_settings import FilePath
from components.storage.stages.whole_stage import StageFiles

VERSION = 1
"""Version of the choice of questions and of how answers are stored."""
DEFAULT_QUESTIONS = 20
ANSWERS = "answers"
"""End of the name of the node that asks."""
Values = dict[str, Any]


class EditByReviewerSettings(NodeSettings):
    """Which texts are doubtful, and how long the run waits."""

    below: float | None = Field(
        None, gt=0, le=1, description="ask where the confidence (mean probability of a token) is lower"
    )
    worst: int | None = Field(
        None, ge=1, le=200, description="instead: ask for so many, the least sure first"
    )
    listed: FilePath | None = Field(
        None,
        description="instead: ask for the utterances of a table (column id), such as `antiphon watch` writes",
    )
    max: int = Field(DEFAULT_QUESTIONS, ge=1, le=200, description="texts in the form at most")
    timeout_hours: float = Field(24.0, gt=0, le=24 * 90, description="how long the run waits for answers")
    unattended: Literal["refuse", "pass"] = Field(
        "refuse", description="where nobody can be asked: refuse to run, or pass all texts as they are"
    )

    @model_validator(mode="after")
    def _check_single_choice(self) -> EditByReviewerSettings:
        if sum(value is not None for value in (self.below, self.worst, self.listed)) != 1:
            raise ValueError(
                "expected below (a confidence), worst (a number of texts) or listed (a file), one of them"
            )
        return self


class EditByReviewer(Kind[EditByReviewerSettings]):
    """Texts that a person has approved or corrected; stands for a node that asks and one that edits."""

    name = "edit_by_reviewer"
    summary = "the run waits in Prefect's UI until the doubtful texts are approved or corrected"
    settings = EditByReviewerSettings

    @override
    def expand(self, name: str, values: Values) -> dict[str, Values]:
        """Return NAME-answers, which asks, and NAME, which applies the answers."""
        answers = f"{name}-{ANSWERS}"
        common: Values = {key: values[key] for key in ("of", "when") if key in values}
        settings = {key: value for key, value in values.items() if key not in ("kind", *common)}
        return {
            answers: {"kind": ReviewAnswers.name, **common, **settings},
            name: {"kind": "edit_from_file", **common, ROLE: answers},
        }


class ReviewAnswersSettings(EditByReviewerSettings):
    """Those of the review, and whether the texts pass without one."""

    passed: bool = Field(False, description="set by a run where nobody can be asked: nothing is asked")

    def key_parameters(self) -> dict[str, Any]:
        """Return what decides which texts are asked for; whether any are, only where none is."""
        asked = self.model_dump(mode="json", include={"below", "worst", "max"})  # a list is in it as a file
        return {**asked, "passed": True} if self.passed else asked


class ReviewAnswers(Kind[ReviewAnswersSettings]):
    """Asks a person and gives the answers as corrections."""

    name = "review_answers"
    summary = "asks a person; what review stands for"
    settings = ReviewAnswersSettings
    output = "table"
    mode = Mode.BY_HAND
    stated = state(device=None)  # waiting for a person holds none
    items = Items(Carry.SOURCE)
    version = str(VERSION)

    @override
    def collect(
        self, settings: ReviewAnswersSettings, context: NodeContext, items: Iterator[Item], folder: Path
    ) -> StageFiles:
        """Ask for the doubtful texts and store the answers."""
        most = 0 if settings.passed else min(settings.max, settings.worst or settings.max)
        asked = _make_questions(items)
        if settings.listed is not None:
            ids = read_ids(Path(settings.listed))
            asked = (each for each in asked if each.utterance_id in ids)
        questions = choose_doubtful(asked, settings.below, most)
        corrections = []
        if questions:
            answers = context.ask(context.name.removesuffix(f"-{ANSWERS}"), questions, settings.timeout_hours)
            corrections = answers_as_corrections(questions, answers, context.of[0])
        write_corrections(folder, corrections)
        return StageFiles([CORRECTIONS], items=len(corrections))

    @override
    def notes(
        self, settings: ReviewAnswersSettings, context: NodeContext, ref: StageRef, data: StageRef | None
    ) -> list[str]:
        """Say who answered, and what changed."""
        if settings.passed:
            return [f"{ref.stage}: nobody could be asked; all texts passed as they were (unattended: pass)"]
        answers = read_stored_corrections(Path(ref.path))
        if not answers:
            return [f"{ref.stage}: no text was doubtful enough to ask"]
        by, at = answers[0].by, answers[0].at[:16].replace("T", " ")
        return [f"{ref.stage}: {count_corrections(answers)} by {by} at {at}"]


def _make_questions(items: Iterator[Item]) -> Iterator[Question]:
    for item in items:
        if item.nbest is None:
            continue
        utterance, best = item.utterance, item.nbest.best
        recording = "" if utterance.audio is None else file_name_of(utterance.audio.path)
        source = utterance.text if utterance.text != best.text else None
        yield Question(utterance.id, best.text, certainty_of(best), source or recording, utterance.audio)
