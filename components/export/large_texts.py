"""The texts of a large run: a table of ids and texts for each output, written while its stage is read.

Records are not parsed: `antiphon export` makes tables with times and confidences of them. Where the lines of
a shard stand in the table that was written last is remembered in the cache folder; the next table takes them
from there, if they are still what they were.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from components.files.canonical_json import add_digest, digest_of, encode_canonical, verify_digest
from components.files.digests import cache_folder
from components.files.files import rename_durably, staging_folder, write_atomically
from components.run_record import RunRecord, StageRef
from components.storage.shards.line_ids import id_of_line, unquote
from components.storage.shards.shard import ShardEntry, parse_refused
from components.storage.stages.reader import read_plan, read_shard, read_shards, store_of
from components.storage.stages.stage_plan import digest_plan
from components.text.table_cells import guard_cell, guard_id, join_cells

COLUMNS = ("id", "text", "quarantined")
_VERSION = 1
"""Of what a line becomes."""
_TEXT_FIRST = re.compile(
    rb'\{"utterance_id":"[^"\\]*(?:\\.[^"\\]*)*","hypotheses":\[\{"text":("[^"\\]*(?:\\.[^"\\]*)*")'
)
"""The beginning of a stored n-best list: the best hypothesis stands first, and its text in it."""


def write_tables(run: RunRecord, folder: Path) -> list[str]:
    """Write ``NODE.tsv`` for every output of a run in the place of a folder; their names.

    Args:
        run: finished.
        folder: for its texts.
    """
    stages = {ref.stage: ref for ref in run.stages}
    outputs = [name for name in dict.fromkeys(run.pipeline.outputs.values()) if name in stages]
    if not outputs:
        return []
    with staging_folder(folder) as staging:
        fresh = staging / folder.name
        fresh.mkdir()
        for name in outputs:
            _write_table(stages[name], fresh / f"{name}.tsv", folder / f"{name}.tsv")
        if folder.exists():
            shutil.rmtree(folder)
        rename_durably(fresh, folder)
    return [f"{name}.tsv" for name in outputs]


def _write_table(ref: StageRef, path: Path, final: Path) -> None:
    """Write the table of a stage; ``final`` is where it will lie."""
    with _PreviousTable(ref) as previous, path.open("wb") as file:
        file.write(_encode_row(COLUMNS))
        pieces = dict[str, _Piece]()
        for shard in read_shards(ref):
            lines = previous.read(shard.sha256) or _encode_shard(ref, shard)
            pieces[shard.sha256] = _Piece(file.tell(), len(lines), hashlib.sha256(lines).hexdigest())
            file.write(lines)
    previous.remember(final, pieces)


def _encode_shard(ref: StageRef, shard: ShardEntry) -> bytes:
    return b"".join(map(_encode_line, read_shard(store_of(ref), shard.key)))


def _encode_line(outcome: tuple[bool, bytes]) -> bytes:
    ok, line = outcome
    if ok:
        return _encode_row((guard_id(id_of_line(line)), guard_cell(text_of_line(line)), ""))
    bad = parse_refused(line)
    reason = guard_cell(f"{bad.stage}: {bad.reason}: {bad.detail}")
    return _encode_row((guard_id(bad.utterance_id), "", reason))


def _encode_row(cells: Iterable[str]) -> bytes:
    return f"{join_cells(cells)}\n".encode()


class _Piece(NamedTuple):
    """The lines of a shard in a table."""

    start: int
    size: int
    sha256: str


class _PreviousTable:
    """The table that was written last for a node of these settings."""

    def __init__(self, ref: StageRef) -> None:
        plan = {name: value for name, value in read_plan(ref).items() if name != "shards"}
        name = digest_of([str(store_of(ref)), digest_plan(plan), _VERSION])
        self._memory = cache_folder() / "tables" / f"{name}.json"
        self._pieces: dict[str, _Piece] = {}
        self._file: IO[bytes] | None = None

    def __enter__(self) -> _PreviousTable:
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            values = verify_digest(self._memory.read_bytes())
            self._pieces = {shard: _Piece(*piece) for shard, piece in values["pieces"].items()}
            self._file = Path(values["table"]).open("rb")
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    def read(self, shard: str) -> bytes | None:
        """Return the lines of a shard, if they are there and whole."""
        piece = self._pieces.get(shard)
        if piece is None or self._file is None:
            return None
        self._file.seek(piece.start)
        lines = self._file.read(piece.size)
        return lines if hashlib.sha256(lines).hexdigest() == piece.sha256 else None

    def remember(self, table: Path, pieces: Mapping[str, _Piece]) -> None:
        """Remember a table; a cache that cannot be written costs time only."""
        with suppress(OSError):
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            values = add_digest({"table": str(table.absolute()), "pieces": dict(pieces)})
            write_atomically(self._memory, encode_canonical(values))


def text_of_line(line: bytes) -> str:
    """Return the best text of the stored line of an n-best list; what follows it is not read."""
    match = _TEXT_FIRST.match(line)
    assert match is not None, line
    return unquote(match[1])
