"""``targets``: translations of training data -> a data set to learn from, for ``distill``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from components.errors import DataError
from components.nodes.kind import Item, Kind, NodeSettings, Site
from components.records import NBest
from components.storage.whole_stage import Product

TARGETS = "targets.jsonl"


class TargetsSettings(NodeSettings):
    """What is taken from a teacher."""

    choose: Literal["best", "closest"] = Field(
        "best", description="best: the first hypothesis; closest: the one nearest to the reference"
    )


class Targets(Kind[TargetsSettings]):
    """What a teacher gave for each source. What it could not translate is left out."""

    name = "targets"
    summary = "translations of training data -> a data set to learn from"
    settings = TargetsSettings
    gives = "table"
    whole = True
    gathers = True
    needs_inputs = True
    looks_back = True

    def version(self, settings: TargetsSettings) -> str:
        """Of the choice and the file."""
        return "2"

    def libraries(self, settings: TargetsSettings) -> tuple[str, ...]:
        """Of the score that tells what is nearest."""
        return ("sacrebleu",) if settings.choose == "closest" else ()

    def collect(self, settings: TargetsSettings, site: Site, items: Iterator[Item], folder: Path) -> Product:
        """Write the data set. DataError where nothing is left."""
        from components.training.sequence_distillation import TARGET_CHOICES  # noqa: PLC0415 - imports sacrebleu

        count = 0
        with (folder / TARGETS).open("w", encoding="utf-8") as file:
            for item in items:
                utterance, nbest = item.utterance, item.inputs[site.of[0]]
                assert isinstance(nbest, NBest)
                language = utterance.target_language or "und"
                text = TARGET_CHOICES[settings.choose](nbest, utterance.references, language)
                source = utterance.transcript or utterance.text  # what was said, where that is known
                if source and text:
                    row = {
                        "id": utterance.id,
                        "text": source,
                        "references": [text],
                        "target_language": language,
                        "source_language": utterance.source_language,
                    }
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
                    count += 1
        if not count:
            raise DataError(f"{site.name}: expected translations by {site.of[0]}, found none to learn from")
        return Product([TARGETS], items=count)
