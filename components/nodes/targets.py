"""``targets``: translations of training data -> a data set to learn from, for ``distill``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from components.errors import DataError
from components.nodes.kind import DATA, ORIGIN, Kind, NodeSettings, Site
from components.records import StageRef, Utterance
from components.storage.reader import hypotheses, utterances
from components.storage.stage_writer import Product

TARGETS = "targets.jsonl"


class TargetsSettings(NodeSettings):
    """What is taken from a teacher."""

    choose: Literal["best", "closest"] = Field(
        "best", description="best: the first hypothesis; closest: the one nearest to the reference"
    )
    target_language: str = Field("de", description="language of the translations")


class Targets(Kind[TargetsSettings]):
    """What a teacher gave for each source. What it could not translate is left out."""

    name = "targets"
    summary = "translations of training data -> a data set to learn from"
    settings = TargetsSettings
    gives = "table"
    whole = True
    looks_back = True

    def version(self, settings: TargetsSettings) -> str:
        """Of the choice and the file."""
        return "1"

    def libraries(self, settings: TargetsSettings) -> tuple[str, ...]:
        """Of the score that tells what is nearest."""
        return ("sacrebleu",) if settings.choose == "closest" else ()

    def make(
        self, settings: TargetsSettings, site: Site, read: Mapping[str, StageRef], folder: Path
    ) -> Product:
        """Write the data set. DataError where nothing is left."""
        count = _write(folder / TARGETS, settings, read)
        if not count:
            raise DataError(f"{site.name}: expected translations by {site.of[0]}, found none to learn from")
        return Product([TARGETS], items=count)


def _write(path: Path, settings: TargetsSettings, read: Mapping[str, StageRef]) -> int:
    from components.training.targets import CHOICES  # noqa: PLC0415 - imports sacrebleu

    translations = hypotheses(read["of0"])
    head = next(translations, None)
    count, language = 0, settings.target_language
    with path.open("w", encoding="utf-8") as file:
        for utterance, source in _sources(read):
            if head is None or head.utterance_id != utterance.id:
                continue
            text = CHOICES[settings.choose](head, utterance.references, language)
            head = next(translations, None)
            if source and text:
                row = {"id": utterance.id, "text": source, "references": [text], "target_language": language}
                row["source_language"] = utterance.source_language
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
    return count


def _sources(read: Mapping[str, StageRef]) -> Iterator[tuple[Utterance, str | None]]:
    """Each utterance with its text: written, else its reference transcript, else what was recognized."""
    written = ORIGIN not in read or read[ORIGIN].key == read[DATA].key
    transcripts = iter(()) if written else hypotheses(read[ORIGIN])
    head = next(transcripts, None)
    for utterance in utterances(read[DATA]):
        text = utterance.text if utterance.text is not None else utterance.transcript
        if head is not None and head.utterance_id == utterance.id:
            text = head.best.text if text is None else text
            head = next(transcripts, None)
        yield utterance, text
