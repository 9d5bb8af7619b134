"""What is made of a run for people to open: its report, plots and texts, and their digests.

All of it can be made again from the run's record and stages. ``report-files.json`` has the digests, so that
:mod:`components.storage.upkeep.verification` notices a change.
"""

from __future__ import annotations

from pathlib import Path

from components.files.canonical_json import add_digest
from components.files.digests import file_digest
from components.files.files import encode_json, write_bytes

REPORT, PLOTS, TEXTS = "report.html", "plots", "texts"
DIGESTS = "report-files.json"


def seal_report(folder: Path) -> None:
    """Write the digests of the report in a run's folder, and of what lies beside it.

    Raises:
        StoreError: they cannot be written.
    """
    paths = [folder / REPORT, *(folder / PLOTS).rglob("*"), *(folder / TEXTS).rglob("*")]
    files = {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in paths
        if path.is_file() and not path.name.startswith(".")
    }
    write_bytes(folder / DIGESTS, encode_json(add_digest({"files": files})))
