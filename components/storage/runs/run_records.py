"""The record of a run on disk: ``run.json``, with a format version and a digest over all of it.

It names stages by key and without a path, so that a store can be moved.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from components.errors import StoreError, to_one_line
from components.files.canonical_json import add_digest, verify_digest
from components.files.files import encode_json, read_json, write_bytes, write_json
from components.files.json_text import parse_json
from components.run_record import RunRecord

RECORD, FAILED, METRICS = "run.json", "failed.json", "metrics.json"
"""The record; that of a later, failed attempt under the same name; and the scores by themselves."""
CLAIMED = "claimed.json"
"""On object storage: says that the name is taken."""

FORMAT = 2
"""Version of the format."""

_KEY = re.compile(r"[0-9a-f]{64}")
_RERUN_HINT = "run it again (--replace)"


def write_record(folder: Path, run: RunRecord, *, replaces: bool) -> None:
    """Write the record into the run's folder.

    Args:
        folder: that of the run.
        run: the record.
        replaces: whether it takes the place of an earlier record; else it becomes ``failed.json``.
    """
    values = run.model_dump(mode="json", exclude={"stages": {"__all__": {"path"}}})
    content = encode_json(add_digest({"format": FORMAT, **values}))
    if not replaces:
        write_bytes(folder / FAILED, content)
        return
    for stale in (FAILED, METRICS):  # a kill in between leaves no scores of one run beside another's record
        (folder / stale).unlink(missing_ok=True)
    write_bytes(folder / RECORD, content)
    write_json(folder / METRICS, values["metrics"])


def check_record(content: bytes, where: str) -> dict[str, Any]:
    """Check the bytes of a record and return its fields.

    Raises:
        StoreError: it was altered or damaged, or is of another version.
    """
    try:
        stated = parse_json(content).get("format")
        if stated == FORMAT:
            return verify_digest(content)
    except (ValueError, AttributeError) as error:
        fault = to_one_line(error)
        raise StoreError(f"{where}: expected the record of a run, found: {fault}; {_RERUN_HINT}") from error
    raise StoreError(
        f"{where}: expected format {FORMAT}, found {stated}, of another version of Antiphon; {_RERUN_HINT}"
    )


def read_record(folder: Path, stages: Path) -> RunRecord:
    """Read the record in a run's folder; its stages lie in the folder ``stages``.

    Raises:
        StoreError: it was altered or damaged, or is of another version.
    """
    path, scores = folder / RECORD, folder / METRICS
    content, metrics = path.read_bytes(), None
    try:
        metrics = read_json(scores)
    except StoreError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise StoreError(f"{error}; {_RERUN_HINT}") from error
    values = check_record(content, str(path))
    try:
        del values["format"]
        for ref in values["stages"]:
            if not _KEY.fullmatch(ref["key"]):
                raise ValueError(f"{ref['key']!r} is no key of a stage")
            ref["path"] = str(stages / ref["key"])
        values["name"] = folder.name  # also of a folder that was moved by hand
        run = RunRecord.model_validate(values)
    except (ValueError, KeyError, TypeError) as error:
        fault = to_one_line(error)
        raise StoreError(f"{path}: expected the record of a run, found: {fault}; {_RERUN_HINT}") from error
    if metrics is not None and metrics != values["metrics"]:
        if path.read_bytes() != content:  # it was replaced meanwhile
            return read_record(folder, stages)
        raise StoreError(f"{scores}: expected the metrics of {RECORD}, found others; {_RERUN_HINT}")
    return run
