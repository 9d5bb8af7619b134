"""Sounds that lie in rows of Parquet and Arrow files, as Hugging Face's ``datasets`` keep them."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from components.errors import AntiphonError, ConfigError, to_one_line
from components.files.locations.archives import TAKEN_OUT, Member
from components.files.locations.fetched_files import digest_name, fill, find
from components.files.locations.location import MISSING, UNREADABLE, LocationError

if TYPE_CHECKING:
    from pyarrow import RecordBatch, Schema

EXTRACT_BYTES = 64 << 20
"""Sounds that are taken out at a time: a row of a Parquet file cannot be read alone."""
BATCH_ROWS = 16


def file_name(table: str, member: str) -> str:
    """Return the name of the table and the number of the row."""
    return f"{Path(urlsplit(table).path).stem}-{member.rpartition('/')[2]}"


def open_member(member: Member) -> io.BufferedReader:
    """Open the sound in a row; see :func:`extract_member`."""
    return extract_member(member).open("rb")


def extract_member(member: Member) -> Path:
    """Return a file with the sound in a row, ``COLUMN/ROW``; those of the rows behind it come along.

    Raises:
        LocationError: there is no such row, no sound in it, or the file is damaged.
    """
    table, path, place, stamp, limit = member
    match = re.fullmatch(r"(.+)/([0-9]{1,15})", place)
    where = f"{table}#{place}"
    if match is None:
        raise LocationError(where, "expected COLUMN/ROW after #, found another", "correct it", reason=MISSING)
    column, row = match[1], int(match[2])

    def name(number: int) -> str:
        return digest_name(stamp, column, str(number))

    if (known := find(name(row), TAKEN_OUT)) is not None:
        return known
    first, taken = None, 0
    for number, sound in _read_sounds(table, path, column, row):
        if sound is None or len(sound) > limit:
            if number == row:
                found = "none" if sound is None else "more"
                what = f"expected a sound of at most {limit} bytes in this row, found {found}"
                raise LocationError(
                    where, what, "correct the file", reason=MISSING if sound is None else UNREADABLE
                )
            continue
        content = sound
        file = fill(name(number), TAKEN_OUT, lambda target, content=content: target.write(content))  # type: ignore[misc]
        first = first or file
        taken += len(sound)
        if taken > EXTRACT_BYTES:
            break
    if first is None:
        raise LocationError(
            where, "expected a row of the file, found none", "check its number", reason=MISSING
        )
    return first


def _read_sounds(table: str, path: Path, column: str, first: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield row numbers from ``first`` on, each with the sound in ``column``."""
    for number, batch in read_batches(table, path, [column], first):
        sounds = batch.column(0)
        for at in range(max(0, first - number), len(sounds)):
            value: Any = sounds[at].as_py()
            content = value.get("bytes") if isinstance(value, dict) else value
            yield number + at, content if isinstance(content, bytes) and content else None


@contextmanager
def arrow_errors(table: str) -> Iterator[None]:
    """Translate errors of pyarrow, which is an extra, into ours."""
    try:
        yield
    except ImportError as error:
        raise ConfigError(
            f"{table}: expected pyarrow to read it, found none; pip install 'antiphon[parquet]'"
        ) from error
    except AntiphonError:
        raise
    except Exception as error:  # pyarrow has many
        what = f"expected a whole Parquet or Arrow file, found: {to_one_line(error, 160)}"
        raise LocationError(table, what, "copy it again", reason=UNREADABLE) from error


def read_schema(table: str, path: Path) -> Schema:
    """Return the columns of a file.

    Raises:
        LocationError: it is damaged.
    """
    with arrow_errors(table):
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415 - as above

        if table.endswith(".parquet"):
            with parquet.ParquetFile(path) as file:
                return file.schema_arrow
        with pa.memory_map(os.fspath(path)) as source, pa.ipc.open_stream(source) as reader:
            return reader.schema


def read_batches(
    table: str, path: Path, columns: list[str], first: int = 0, rows: int = BATCH_ROWS
) -> Iterator[tuple[int, RecordBatch]]:
    """Yield some columns of a file in small batches, each with the number of its first row.

    Args:
        table: location of the file, for messages.
        path: of the file on this machine.
        columns: that are read; no other is.
        first: a row; batches that lie wholly before it are left out.
        rows: of a batch, at most, of a Parquet file.

    Raises:
        LocationError: it is damaged, or has no such column.
    """
    batches = (
        _parquet_batches(path, columns, first, rows)
        if table.endswith(".parquet")
        else _arrow_batches(path, columns)
    )
    while True:
        with arrow_errors(table):
            item = next(batches, None)
        if item is None:
            return
        if item[0] + len(item[1]) > first:
            yield item


def _parquet_batches(
    path: Path, columns: list[str], first: int, rows: int
) -> Iterator[tuple[int, RecordBatch]]:
    from pyarrow import parquet  # noqa: PLC0415 - an extra

    with parquet.ParquetFile(path, memory_map=False, pre_buffer=False) as file:
        row = 0
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            if row + size > first:
                at = row
                for batch in file.iter_batches(rows, row_groups=[group], columns=columns, use_threads=False):
                    yield at, batch.select(columns)
                    at += len(batch)
            row += size


def _arrow_batches(path: Path, columns: list[str]) -> Iterator[tuple[int, RecordBatch]]:
    import pyarrow as pa  # noqa: PLC0415 - an extra

    row = 0
    with pa.memory_map(os.fspath(path)) as source, pa.ipc.open_stream(source) as reader:
        for batch in reader:
            yield row, batch.select(columns)
            row += len(batch)
