"""What is made of a run for people to open: its report, plots and texts, and their digests.

All of it can be made again from the run's record and stages. ``report-files.json`` has the digests, so that
:mod:`components.storage.upkeep.verification` notices a change.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from components.errors import to_one_line
from components.files.canonical_json import add_digest, verify_digest
from components.files.digests import file_digest
from components.files.files import encode_json, write_bytes
from components.storage.store_files import StoreFiles

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
        for path in sorted(paths)
        if path.is_file() and not path.name.startswith(".")
    }
    write_bytes(folder / DIGESTS, encode_json(add_digest({"files": files})))


def find_report_faults(files: StoreFiles, run: str) -> Iterator[str]:
    """Yield what of a run's report is not as it was written; nothing of a run without one."""
    folder = f"runs/{run}"
    content = files.read(f"{folder}/{DIGESTS}")
    if content is None:
        return
    try:
        written = {str(name): digest for name, digest in dict(verify_digest(content)["files"]).items()}
    except (ValueError, KeyError, TypeError) as error:
        yield f"{DIGESTS}: expected digests of files, found: {to_one_line(error)}; antiphon report {run}"
        return
    for name, expected in written.items():
        actual = files.digest(f"{folder}/{name}")
        if actual != expected:
            found = "none" if actual is None else "another"
            yield f"{name}: expected the file that was written, found {found}; antiphon report {run}"
