"""Rows of a card -> what docs/results keeps of them, and the page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from benchmarks.common.manifest import Manifest
from benchmarks.common.measurements import Part, store_part
from benchmarks.common.paths import RESULTS
from benchmarks.gpu.row import Machine, Row, read_rows
from benchmarks.pages.page import write_page
from components.errors import DataError

PAGE = "gpu"


def keep_rows(path: Path, folder: Path | None = None) -> str:
    """Store the rows of a file, a part for each section, and write the page; returns its text.

    Args:
        path: What ``python -m benchmarks.gpu`` wrote.
        folder: Of the page and its outputs; None: docs/results.

    Raises:
        DataError: The rows are of toy size, or those of a section come from two machines.
    """
    day = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
    sections: dict[str, list[tuple[Row, Machine]]] = {}
    for row, machine in read_rows(path):
        sections.setdefault(row.section, []).append((row, machine))
    if not sections:
        raise DataError(f"{path}: expected rows of python -m benchmarks.gpu, found none")
    for name, rows in sections.items():
        machines = {machine for _, machine in rows}
        if len(machines) > 1:
            raise DataError(
                f"{path}: expected rows of one machine and commit in {name}, found {len(machines)}: "
                "measure into another folder"
            )
        machine = machines.pop()
        if machine.toy:
            raise DataError(
                f"{path}: expected rows of a card, found {name} at toy size, which measures nothing"
            )
        # Measured again into the same folder, a row takes the place of the earlier one.
        last = {(row.system, str(sorted(row.setting.items()))): row for row, _ in rows}
        results = [row.model_dump(mode="json") for row in last.values()]
        store_part(
            PAGE, Part(part=name, manifest=_manifest(name, machine, day), results=results), folder or RESULTS
        )
    return write_page(PAGE, folder or RESULTS)


def _manifest(section: str, machine: Machine, day: str) -> Manifest:
    card = f"{machine.card}, driver {machine.driver}; " if machine.card else ""
    return Manifest(
        command=f"python -m benchmarks.gpu --sections {section}",
        commit=machine.commit,
        date=day,
        libraries={"torch": machine.torch, "transformers": machine.transformers},
        processor=card + machine.processor,
    )
