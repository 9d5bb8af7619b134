"""What a benchmark measured, as its page is written from: docs/results/outputs/PAGE.jsonl.gz."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from benchmarks.common.manifest import Manifest, read_lines, write_lines
from benchmarks.common.paths import RESULTS


class MissingPartError(LookupError):
    """A page needs a part that was not measured yet."""


class Part(BaseModel):
    """What one command measured at one time: numbers and texts as the page reads them, and their origin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: str
    manifest: Manifest
    results: Any


class Measurements(BaseModel):
    """The parts of a page by name. Parts may come from several commands, days and versions of the code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    page: str
    parts: dict[str, Part]

    def __getitem__(self, name: str) -> Any:
        if name not in self.parts:
            raise MissingPartError(
                f"{self.page}: part {name!r} is not measured; found: {', '.join(self.parts)}"
            )
        return self.parts[name].results

    def __contains__(self, name: str) -> bool:
        return name in self.parts


def outputs_path(page: str, folder: Path = RESULTS) -> Path:
    """The file of a page's measurements: one part a line."""
    return folder / "outputs" / f"{page}.jsonl.gz"


def read_measurements(page: str, folder: Path = RESULTS) -> Measurements:
    """The measurements of a page.

    Raises:
        FileNotFoundError: Nothing was measured for it.
    """
    parts = map(Part.model_validate, read_lines(outputs_path(page, folder)))
    return Measurements(page=page, parts={part.part: part for part in parts})


def store_part(page: str, part: Part, folder: Path = RESULTS) -> None:
    """Put a part in the place of the earlier one of its name; the other parts stay."""
    path = outputs_path(page, folder)
    parts = read_measurements(page, folder).parts if path.exists() else {}
    rows = [value.model_dump(mode="json") for value in (parts | {part.part: part}).values()]
    write_lines(path, rows)
