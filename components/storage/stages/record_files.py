"""The files of a stage of records: outputs, errors, and the journal of what was appended to them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from components.errors import StoreError
from components.files.canonical_json import add_digest, verify_digest
from components.files.files import read_lines
from components.files.json_text import parse_json

OUTPUTS, ERRORS, JOURNAL = "outputs.jsonl", "errors.jsonl", "journal.jsonl"


def check_partition(stage: str, ids: Iterable[str], folder: Path) -> tuple[int, int]:
    """Check that outputs and errors together are exactly ``ids``, in order, and count them.

    Returns:
        The numbers of outputs and of errors.

    Raises:
        StoreError: they are not; the message names the first id that breaks the rule.
    """
    good, bad = _read_ids(folder / OUTPUTS), _read_ids(folder / ERRORS)
    counts = [0, 0]
    heads = [next(good, None), next(bad, None)]
    for expected in ids:
        which = [number for number, head in enumerate(heads) if head == expected]
        if not which:
            raise StoreError(
                f"stage {stage}: expected a result for {expected!r}, found {heads[0]!r} among the outputs, "
                f"{heads[1]!r} among the errors, in {folder}; the component lost or added a record (a bug)"
            )
        counts[which[0]] += 1
        heads[which[0]] = next((good, bad)[which[0]], None)
    left = heads[0] or heads[1]
    if left is not None:
        raise StoreError(
            f"stage {stage}: expected results for its inputs alone, found one for {left!r} in {folder}"
        )
    return counts[0], counts[1]


def _read_ids(path: Path) -> Iterator[str]:
    for line in read_lines(path):
        record: dict[str, Any] = parse_json(line)
        yield record.get("utterance_id") or record["id"]


def read_journal(journal: bytes) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Yield the lines of a journal with their entries, up to the first that is damaged."""
    for line in journal.split(b"\n")[:-1]:
        try:
            yield line, verify_digest(line)
        except ValueError:
            return


def encode_entry(entry: Mapping[str, Any]) -> bytes:
    """Encode an entry of the journal."""
    return json.dumps(add_digest(entry)).encode() + b"\n"


def join_lines(records: Sequence[str]) -> bytes:
    """Join encoded records, a line each."""
    return "".join(record + "\n" for record in records).encode("utf-8")


def hash_parts(*parts: bytes) -> str:
    """SHA-256 of parts as if they were one, in hexadecimal."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return whole.hexdigest()
