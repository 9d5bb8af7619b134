"""Shards of a data set that were stored before, known by the bytes of their lines: these are not read again.

What the lines of a manifest gave is remembered in the cache folder, shard by shard. Where a shard may begin,
the line there and the bytes behind it are those of a remembered one, the stored shard is taken, and reading
goes on behind it. That holds for shards that their lines alone decide: of rows that state their ids, name no
audio and have no fault, between two cuts that the content has decided. All others are read. A file that is
missing, damaged or of another version is as good as none.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from components.data.cutting import Cutter
from components.data.files.parsing import MAX_LINE_BYTES, LineCursor
from components.data.loading import OpenedSet
from components.data.memory.id_groups import IdGroups
from components.data.row_reader import DraftedRow
from components.data.used_ids import ID_BYTES, digest_id
from components.errors import StoreError
from components.files.canonical_json import add_digest, digest_of, encode_canonical, verify_digest
from components.files.digests import cache_folder
from components.files.files import open_atomically
from components.storage.shards.shard import ShardHeader
from components.storage.store import Store

_LARGEST = 2**26
"""Bytes of a shard whose lines are remembered: more than written text has."""
_IDS_IN_MEMORY = 2**20
"""Bytes of digests of ids that are held before they go to a file."""


class Stretch(NamedTuple):
    """The lines of a shard.

    Attributes:
        first: digest of the first line and of what decides how it is read.
        size: bytes.
        sha256: digest of these.
        ids: rows.
        following: digest of the line behind, where the document of the last row might go on; else None.
        key: of the shard.
    """

    first: str
    size: int
    sha256: str
    ids: int
    following: str | None = None
    key: str = ""


class _Known(NamedTuple):
    """A stretch, digests of its ids, and its shard, which is stored."""

    stretch: Stretch
    ids: bytes
    header: ShardHeader


class _Place(NamedTuple):
    """Where a line is, and which."""

    file: IO[bytes]
    start: int
    first: str


class ShardMemory:
    """What is remembered of a data set, and what the present reading leaves to be remembered.

    Args:
        source: as the user names it.
        options: that decide what is made of it, the version of the code among them.
        store: that has the shards.
    """

    def __init__(self, source: str, options: Mapping[str, Any], store: Store) -> None:
        name = digest_of([source, str(Path.cwd()), dict(options)])
        self._file = cache_folder() / "data" / f"{name}.shards"
        known = _recall(self._file, store)
        self._known = {each.stretch.first: each for each in known}
        self._recalled = [each.stretch for each in known]
        self._stretches: list[Stretch | None] = []
        self._used = IdGroups()
        self._ids = tempfile.SpooledTemporaryFile(_IDS_IN_MEMORY)  # noqa: SIM115 - goes with this object

    def cut(self, opened: OpenedSet) -> Iterator[list[DraftedRow] | ShardHeader]:
        """Yield the shards of a data set in order: rows, or the header of what is known and stored."""
        cursor, cutter = opened.reader.cursor, Cutter()
        opened.reader.used = self._used
        row = next(opened.rows, None)
        while row is not None:
            begin = _find_place(cursor) if cutter.is_at_rest else None
            known = begin and row.fault is None and self._pass_over(begin, opened)
            if known:
                yield known.header
                row = next(opened.rows, None)
                continue
            batch, ends = list[DraftedRow](), False
            while row is not None and not ends:
                batch.append(row)
                row = next(opened.rows, None)
                ends = cutter.ends_after(batch[-1].cut, None if row is None else row.cut)
            self._stretches.append(self._describe(begin, batch, cursor) if cutter.by_content else None)
            yield batch

    def _pass_over(self, begin: _Place, opened: OpenedSet) -> _Known | None:
        """Return the shard that begins at a place, if it is known; reading goes on behind it."""
        known, cursor = self._known.get(begin.first), opened.reader.cursor
        if known is None:
            return None
        content = cursor.read(begin.start, known.stretch.size)
        if hashlib.sha256(content).hexdigest() != known.stretch.sha256:
            return None
        if (following := known.stretch.following) is not None:
            line = cursor.read(begin.start + len(content), MAX_LINE_BYTES, is_line=True)
            if following != _digest(line):
                return None
        del self._known[begin.first]  # its ids are in one group at most
        if not self._used.add_group(known.ids[ID_BYTES:]):  # that of the first row is its own
            return None
        opened.reader.count += known.stretch.ids - 1
        cursor.pass_over(content)
        self._ids.write(known.ids)
        self._stretches.append(known.stretch)
        return known

    def _describe(
        self, begin: _Place | None, batch: Sequence[DraftedRow], cursor: LineCursor
    ) -> Stretch | None:
        """Return what is to be remembered of the rows of a shard; the cursor is at the line behind."""
        if begin is None or cursor.file is not begin.file or not all(map(_is_decided_by_its_line, batch)):
            return None
        size = cursor.start - begin.start
        if size > _LARGEST:
            return None
        self._ids.write(b"".join(digest_id(row.id) for row in batch))
        following = None if batch[-1].cut.document is None else _digest(cursor.line)
        digest = hashlib.sha256(cursor.read(begin.start, size)).hexdigest()
        return Stretch(begin.first, size, digest, len(batch), following)

    def remember(self, headers: Sequence[ShardHeader]) -> None:
        """Remember which shards the stretches became; a cache that cannot be written costs time only."""
        stretches, ids = list[Stretch](), hashlib.sha256()
        self._ids.seek(0)
        with tempfile.TemporaryFile() as body:
            for stretch, header in zip(self._stretches, headers, strict=True):
                digests = self._ids.read(stretch.ids * ID_BYTES) if stretch else b""
                if stretch and not header.quarantined:  # what is told of a fault has the line's number
                    stretches.append(stretch._replace(key=header.key))
                    ids.update(digests)
                    body.write(digests)
            if stretches == self._recalled:
                return
            body.seek(0)
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                with open_atomically(self._file) as file:
                    file.write(encode_canonical(add_digest({"stretches": stretches, "ids": ids.hexdigest()})))
                    file.write(b"\n")
                    while part := body.read(_IDS_IN_MEMORY):
                        file.write(part)
            except (OSError, StoreError):
                return


def _recall(path: Path, store: Store) -> list[_Known]:
    """Return what a file remembers, as far as its shards are stored and whole."""
    try:
        with path.open("rb") as file:
            stated = verify_digest(file.readline())
            ids = file.read()
        stretches = [Stretch(*values) for values in stated["stretches"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    if hashlib.sha256(ids).hexdigest() != stated.get("ids"):
        return []
    headers = store.find_shards(stretch.key for stretch in stretches)
    known, start = list[_Known](), 0
    for stretch in stretches:
        end = start + stretch.ids * ID_BYTES
        if (header := headers.get(stretch.key)) is not None:
            known.append(_Known(stretch, ids[start:end], header))
        start = end
    return known


def _find_place(cursor: LineCursor) -> _Place | None:
    if cursor.file is None:
        return None
    return _Place(cursor.file, cursor.start, _digest(cursor.context.encode() + b"\0" + cursor.line))


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _is_decided_by_its_line(row: DraftedRow) -> bool:
    """Return whether neither the place of a row, nor files, nor other rows decide what becomes of it."""
    return row.draft is not None and row.draft.id is not None and row.draft.audio is None
