"""What a benchmark measured, as its page is written from: docs/results/outputs/PAGE.json.gz."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from benchmarks.common.gzip_json import read_json, write_json
from benchmarks.common.manifest import Manifest
from benchmarks.common.paths import RESULTS


class Part(BaseModel):
    """What one command measured at one time.

    Attributes:
        manifest: Where it comes from.
        results: Numbers and texts, as the page reads them.
        notes: Sentences that belong to this measurement and are printed with it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest: Manifest
    results: Any
    notes: tuple[str, ...] = ()


class Measurements(BaseModel):
    """The parts of a page by name. Parts may come from several commands, days and versions of the code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    page: str
    parts: dict[str, Part]

    def __getitem__(self, name: str) -> Any:
        return self.parts[name].results

    def __contains__(self, name: str) -> bool:
        return name in self.parts

    def settings(self, name: str) -> dict[str, Any]:
        """The options of the command that measured a part."""
        return self.parts[name].manifest.settings


def outputs_path(page: str, folder: Path = RESULTS) -> Path:
    """The file of a page's measurements."""
    return folder / "outputs" / f"{page}.json.gz"


def read_measurements(page: str, folder: Path = RESULTS) -> Measurements:
    """The measurements of a page.

    Raises:
        FileNotFoundError: Nothing was measured for it.
    """
    return Measurements.model_validate(read_json(outputs_path(page, folder)))


def store_part(page: str, name: str, part: Part, folder: Path = RESULTS) -> Measurements:
    """Put a part in the place of the earlier one of its name; the other parts stay."""
    path = outputs_path(page, folder)
    parts = read_measurements(page, folder).parts if path.exists() else {}
    measurements = Measurements(page=page, parts={**parts, name: part})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, measurements.model_dump(mode="json"))
    return measurements
