"""Whether the report of a run is as it was written."""

from __future__ import annotations

from collections.abc import Iterator

from components.errors import to_one_line
from components.files.canonical_json import verify_digest
from components.storage.runs.report_files import DIGESTS
from components.storage.store_files import StoreFiles


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
