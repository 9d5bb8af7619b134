"""``targets``: a teacher's texts for training data as a data set to learn from, for ``distill``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator
from typing_extensions import override

from components.errors import ConfigError, DataError
from components.files.files import read_json, read_lines, write_json
from components.files.json_text import parse_json
from components.nodes.facts import Carry, Facts, Items, Mode
from components.nodes.kind import Kind
from components.nodes.measures import CONFIDENCE, doubtful_end, measure
from components.nodes.node_context import Item, NodeContext, NodeSettings
from components.records import NBest, Utterance
from components.run_record import StageRef
from components.storage.stages.whole_stage import StageFiles
from components.text.languages import UNDETERMINED

TARGETS = "targets.jsonl"
FILTER = "filter.json"
"""How many outputs were left out, where some could be."""


class OutputFilter(NodeSettings):
    """Which of a teacher's outputs are good enough to be learned, by a number such as a fitted estimate."""

    keep_by: str = Field(
        CONFIDENCE,
        description="number that says how good an output is: confidence (p_correct or 1 - p_bad where an "
        "estimator gave it, else exp(mean_log_prob); 0 to 1), expected_chrf, or another of route's",
    )
    keep_threshold: float | None = Field(
        None,
        description="learn only outputs whose number is at least this (of p_bad and expected_wer: at most)",
    )
    keep_share: float | None = Field(
        None, gt=0, le=1, description="learn only this share of the outputs, the best by their number"
    )

    @model_validator(mode="after")
    def _check_filter(self) -> OutputFilter:
        if self.keep_threshold is not None and self.keep_share is not None:
            raise ValueError("expected keep_threshold or keep_share, found both")
        if self.keep_by != CONFIDENCE and not self.filters:
            raise ValueError("keep_by: expected keep_threshold or keep_share beside it, found neither")
        return self

    @property
    def filters(self) -> bool:
        """Whether outputs may be left out."""
        return self.keep_threshold is not None or self.keep_share is not None

    def select(self, numbers: Sequence[float]) -> list[bool]:
        """Return which outputs are kept; of equal ones at the end of a share the earlier ones."""
        goodness = [-number if doubtful_end(self.keep_by) == "high" else number for number in numbers]
        if self.keep_threshold is not None:
            limit = self.keep_threshold if doubtful_end(self.keep_by) == "low" else -self.keep_threshold
            return [value >= limit for value in goodness]
        count = round((1.0 if self.keep_share is None else self.keep_share) * len(numbers))
        best = set(sorted(range(len(numbers)), key=lambda n: (-goodness[n], n))[:count])
        return [n in best for n in range(len(numbers))]


class TargetsSettings(OutputFilter):
    """Which of a teacher's hypotheses is taken, and which outputs are learned at all."""

    choose: Literal["best", "closest"] = Field(
        "best", description="best: the first hypothesis; closest: the one nearest to the reference"
    )
    write: Literal["translation", "transcript"] = Field(
        "translation",
        description="translation: pairs of a source and the teacher's translation; transcript: recordings "
        "with the teacher's transcript",
    )

    @model_validator(mode="after")
    def _check_choice(self) -> TargetsSettings:
        if self.write == "transcript" and self.choose == "closest":
            raise ValueError("choose: expected best for transcripts, found closest")
        return self

    def key_parameters(self) -> dict[str, Any]:
        """Return the choice, and the filter where there is one."""
        filtered = self.model_dump(mode="json", exclude={"choose", "write"}) if self.filters else {}
        written = {"write": self.write} if self.write != "translation" else {}
        return {"choose": self.choose, **filtered, **written}


class Targets(Kind[TargetsSettings]):
    """Writes a teacher's text for each utterance; those for which it has none are left out.

    A second node that it reads gives the speech which the student will hear, where that is not the data's.
    """

    name = "targets"
    summary = "a teacher's texts for training data -> a data set to learn from"
    settings = TargetsSettings
    reads = ("text", "speech")
    inputs = (1, 2)
    output = "table"
    mode = Mode.AGGREGATE
    items = Items(Carry.SOURCE)

    @override
    def facts(self, settings: TargetsSettings) -> Facts:
        limit, by_confidence = settings.keep_threshold, settings.filters and settings.keep_by == CONFIDENCE
        return replace(
            super().facts(settings),
            version="3" if by_confidence else "2",  # of the confidence there is a later one, 0 to 1
            libraries=("sacrebleu",) if settings.choose == "closest" else (),
            thresholds={} if limit is None else {"keep_threshold": (settings.keep_by, limit)},
            needs_speech=settings.write == "transcript",
        )

    @override
    def check_inputs(self, settings: TargetsSettings, context: NodeContext) -> None:
        """Check that a text comes first and any speech second, and the language of transcripts."""
        if context.types[:1] != ("text",) or not set(context.types[1:]) <= {"speech", "data"}:
            raise ConfigError(
                f"expected a teacher that gives text, then the speech that its student hears, if any, found "
                f"{', '.join(context.display_names)}"
            )
        if settings.write == "transcript" and context.translated:
            raise ConfigError(
                f"expected transcripts to teach a recognizer, found that "
                f"{context.display_names[0]} translates; set "
                "learner: speech_translation"
            )

    @override
    def collect(
        self, settings: TargetsSettings, context: NodeContext, items: Iterator[Item], folder: Path
    ) -> StageFiles:
        """Write the data set.

        Raises:
            DataError: nothing is left to learn from, or outputs lack the number that decides.
        """
        from components.training.students.sequence_distillation import TARGET_CHOICES  # noqa: PLC0415 - imports sacrebleu

        rows: list[dict[str, Any]] = []
        numbers: list[float] = []
        for item in items:
            utterance, nbest = item.utterance, item.inputs[context.of[0]]
            assert isinstance(nbest, NBest)
            language = utterance.target_language or UNDETERMINED
            text = TARGET_CHOICES[settings.choose](nbest, utterance.references, language)
            row = _make_row(utterance, text, settings.write)
            if row is not None:
                rows.append(row)
                numbers += [_number_of(item, settings.keep_by, context)] if settings.filters else []
        selection = settings.select(numbers) if settings.filters else [True] * len(rows)
        if not any(selection):
            left_out = f", {len(rows)} of {len(rows)} were left out by {settings.keep_by}" if rows else ""
            raise DataError(
                f"{context.name}: expected {settings.write}s by {context.of[0]}, found none to "
                f"learn from{left_out}"
            )
        with (folder / TARGETS).open("w", encoding="utf-8") as file:
            file.writelines(
                json.dumps(row, ensure_ascii=False) + "\n"
                for row, is_kept in zip(rows, selection, strict=True)
                if is_kept
            )
        if not settings.filters:
            return StageFiles([TARGETS], items=len(rows))
        write_json(folder / FILTER, {"outputs": len(rows), "kept": sum(selection)})
        return StageFiles([TARGETS, FILTER], items=sum(selection))

    @override
    def notes(
        self, settings: TargetsSettings, context: NodeContext, ref: StageRef, data: StageRef | None
    ) -> list[str]:
        """Say how many outputs were left out."""
        if not settings.filters:
            return []
        counts = read_json(Path(ref.path) / FILTER)
        outputs, kept = counts["outputs"], counts["kept"]
        return [
            f"{ref.stage}: {kept} of {outputs} outputs are learned, {outputs - kept} left out by "
            f"{settings.keep_by}"
        ]


def _make_row(utterance: Utterance, text: str, write: str) -> dict[str, Any] | None:
    """Return the record of a manifest, if there is something to learn."""
    source = utterance.transcript or utterance.text  # what was said, where that is known
    audio = utterance.audio
    if not text or not (audio if write == "transcript" else source):
        return None
    if write == "translation" or audio is None:
        return {
            "id": utterance.id,
            "text": source,
            "references": [text],
            "target_language": utterance.target_language or UNDETERMINED,
            "source_language": utterance.source_language,
        }
    return {
        "id": utterance.id,
        "audio": audio.path,
        "offset": audio.offset,
        "duration": audio.seconds,
        "transcript": text,
        "source_language": utterance.source_language,
    }


def read_targets(folder: Path) -> dict[str, str]:
    """Return the translations of a stage of targets by utterance id."""
    rows = map(parse_json, read_lines(folder / TARGETS))
    return {row["id"]: row["references"][0] for row in rows}


def _number_of(item: Item, by: str, context: NodeContext) -> float:
    """Return the number that decides on an output.

    Raises:
        DataError: it has none.
    """
    number = measure(by, item)
    if number is None:
        raise DataError(
            f"{context.name}: expected a number {by} of every output, found none of {item.utterance.id}"
        )
    return number
