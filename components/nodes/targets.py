"""``targets``: translations of training data as a data set to learn from, for ``distill``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from components.errors import DataError
from components.languages import UNDETERMINED
from components.nodes.kind import Item, Kind, NodeSettings, Site
from components.records import NBest
from components.storage.whole_stage import Product

TARGETS = "targets.jsonl"


class TargetsSettings(NodeSettings):
    """Which of a teacher's hypotheses is taken."""

    choose: Literal["best", "closest"] = Field(
        "best", description="best: the first hypothesis; closest: the one nearest to the reference"
    )


class Targets(Kind[TargetsSettings]):
    """Writes a teacher's translation of each source; sources that it could not translate are left out."""

    name = "targets"
    summary = "translations of training data -> a data set to learn from"
    settings = TargetsSettings
    gives = "table"
    whole = True
    gathers = True
    needs_inputs = True
    looks_back = True

    def version(self, settings: TargetsSettings) -> str:
        """Return the version of the choice and the file's format."""
        return "2"

    def libraries(self, settings: TargetsSettings) -> tuple[str, ...]:
        """Return the library of the score by which the closest hypothesis is chosen."""
        return ("sacrebleu",) if settings.choose == "closest" else ()

    def collect(self, settings: TargetsSettings, site: Site, items: Iterator[Item], folder: Path) -> Product:
        """Write the data set.

        Raises:
            DataError: nothing is left to learn from.
        """
        from components.training.sequence_distillation import TARGET_CHOICES  # noqa: PLC0415 - imports sacrebleu

        count = 0
        with (folder / TARGETS).open("w", encoding="utf-8") as file:
            for item in items:
                utterance, nbest = item.utterance, item.inputs[site.of[0]]
                assert isinstance(nbest, NBest)
                language = utterance.target_language or UNDETERMINED
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
