r"""A manifest's bytes -> rows, one per line, each either fields or a fault. The file is not trusted.

A line ends at ``\n`` only: U+2028 and the like belong to the text that holds them.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, NoReturn

from components.errors import DataError
from components.files.json_text import parse_json
from components.files.locations.location import FilePath, file_name_of, show_location
from components.files.locations.opening import open_location

MAX_MANIFEST_BYTES = 2**36
MAX_LINE_BYTES = 2**20
BOM = b"\xef\xbb\xbf"
SIGNATURES = {
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
    b"\x1f\x8b": "a gzip file; name it NAME.gz or unpack it",
    b"PK\x03\x04": "a zip file or spreadsheet; export it as TSV or JSONL",
    b"RIFF": "an audio file; give it as audio (--audio)",
    b"fLaC": "an audio file; give it as audio (--audio)",
    b"OggS": "an audio file; give it as audio (--audio)",
    b"ID3": "an audio file; give it as audio (--audio)",
}
"""First bytes of files that are often given by mistake, and what to say of them."""

Fields = dict[str, Any]
LineSplitter = Callable[[str], list[str]]


class RecordError(DataError):
    """One record is wrong. ``reason`` is the short class of the fault that reports count by."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Row:
    """One record of a manifest: its line, counted from 1, and its fields or its fault."""

    line: int
    content: Fields | RecordError


@dataclass
class LineCursor:
    """Where the line is that was read last. Whoever knows what the lines of a stretch give may pass it over.

    Attributes:
        file: that is read; None where its lines are not told, or lie packed.
        context: what decides, beside a line, which row it gives.
        number: of the line, from 1 on.
        start: its first byte.
        behind: the byte after it, counted because asking the file for it takes longer than reading a line.
        line: it, with its end.
    """

    file: IO[bytes] | None = None
    context: str = ""
    number: int = 0
    start: int = 0
    behind: int = 0
    line: bytes = b""

    def read(self, start: int, size: int, *, is_line: bool = False) -> bytes:
        """Return ``size`` bytes of the file, or a line of at most so many; what is read next stays."""
        assert self.file is not None
        self.file.seek(start)
        content = self.file.readline(size) if is_line else self.file.read(size)
        self.file.seek(self.behind)
        return content

    def pass_over(self, content: bytes) -> None:
        """Go on behind ``content``, which begins with the line."""
        assert self.file is not None
        self.number += content.count(b"\n") - 1
        self.behind = self.start + len(content)
        self.file.seek(self.behind)


def read_lines(path: FilePath, cursor: LineCursor | None = None) -> Iterator[tuple[int, str | RecordError]]:
    """Yield numbered lines without their ends (LF or CRLF); blank ones are left out.

    Args:
        path: the file's.
        cursor: that is to tell where a line is.

    Raises:
        DataError: The file is missing, not a regular file, too large or plainly not text.
    """
    shown = show_location(path)
    with open_location(path) as stored:
        head = stored.read(4)
        packed = file_name_of(path).endswith(".gz")
        for signature, what in {} if packed else SIGNATURES.items():
            if head.startswith(signature):
                raise DataError(f"{shown}: expected a UTF-8 manifest, found {what}")
        if stored.seek(0, 2) > MAX_MANIFEST_BYTES:
            raise DataError(f"{shown}: expected at most {MAX_MANIFEST_BYTES} bytes, found more; split it")
        stored.seek(0)
        cursor = cursor or LineCursor()
        cursor.file, cursor.number, cursor.behind = None if packed else stored, 0, 0
        file: IO[bytes] = gzip.GzipFile(fileobj=stored) if packed else stored  # type: ignore[assignment]
        try:
            yield from _read_numbered(shown, file, cursor)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            what = f"expected a whole gzip file, found it damaged or truncated ({error}); copy it again"
            yield 0, RecordError("unreadable record", f"{shown}: {what}")
        finally:
            cursor.file = None


def _read_numbered(
    shown: str, file: IO[bytes], cursor: LineCursor
) -> Iterator[tuple[int, str | RecordError]]:
    while True:
        start = cursor.start = cursor.behind
        if not (line := file.readline(MAX_LINE_BYTES)):
            return
        cursor.number, cursor.line, cursor.behind = cursor.number + 1, line, start + len(line)
        is_cut = len(line) == MAX_LINE_BYTES and not line.endswith(b"\n")
        line = line.removeprefix(BOM) if cursor.number == 1 else line
        if is_cut:
            while rest := file.readline(MAX_LINE_BYTES):
                cursor.behind += len(rest)
                _check_unpacked(shown, cursor.behind)
                if rest.endswith(b"\n"):
                    break
            expected = f"expected a line of at most {MAX_LINE_BYTES} bytes, found a longer one; shorten it"
            yield cursor.number, RecordError("unreadable record", expected)
        elif line.strip():
            yield cursor.number, _decode_line(line.removesuffix(b"\n").removesuffix(b"\r"))
        _check_unpacked(shown, start)


def _check_unpacked(shown: str, size: int) -> None:
    """Refuse a packed manifest that unpacks to more than a manifest may have. DataError."""
    if size > MAX_MANIFEST_BYTES:
        raise DataError(
            f"{shown}: expected at most {MAX_MANIFEST_BYTES} bytes unpacked, found more; split it"
        )


def _decode_line(line: bytes) -> str | RecordError:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        fault = f"found byte 0x{line[error.start]:02x} at column {error.start + 1}"
        return RecordError("unreadable record", f"expected UTF-8, {fault}; save the file as UTF-8")


def read_text_rows(path: FilePath) -> Iterator[Row]:
    """Yield rows of plain text: one sentence a line, and how many blank ones are before it."""
    last = 0
    for number, line in read_lines(path):
        blank = {"blank_lines": number - last - 1} if number > last + 1 else {}
        yield Row(number, line if isinstance(line, RecordError) else {"text": line, **blank})
        last = number


def read_paragraph_rows(path: FilePath) -> Iterator[Row]:
    """Yield rows of plain text: one paragraph each, its lines joined; numbered by its first line."""
    first, last, parts, blank = 0, 0, list[str](), dict[str, int]()
    for number, line in read_lines(path):
        if parts and (number > last + 1 or isinstance(line, RecordError)):
            yield Row(first, {"text": " ".join(parts), **blank})
            parts, blank = [], {"blank_lines": 1}
        if isinstance(line, RecordError):
            yield Row(number, line)
        else:
            first = first if parts else number
            parts.append(line.strip())
        last = number
    if parts:
        yield Row(first, {"text": " ".join(parts), **blank})


def read_json_rows(path: FilePath, cursor: LineCursor | None = None) -> Iterator[Row]:
    """Yield rows of a JSONL file: an object a line, strict JSON, no key twice; see :func:`read_lines`."""
    for number, line in read_lines(path, cursor):
        yield Row(number, line if isinstance(line, RecordError) else parse_object(line))


def parse_object(line: str) -> Fields | RecordError:
    """Return the object of a JSON text: strict, no key twice."""
    try:
        value = parse_json(line, _STRICT)
    except ValueError as error:
        return RecordError("unreadable record", f"expected one JSON object, found faulty JSON: {error}")
    if not isinstance(value, dict):
        return RecordError("unreadable record", f"expected one JSON object, found {_name_json_type(value)}")
    return value


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> Fields:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"key {twice!a:.80} occurs twice; keep one")
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number; leave the field out")


_STRICT = json.JSONDecoder(object_pairs_hook=_refuse_repeated_keys, parse_constant=_refuse_constant)


def _name_json_type(value: object) -> str:
    return {list: "an array", str: "a string", type(None): "null", bool: "a boolean"}.get(
        type(value), "a number"
    )


def tsv_splitter(header: str) -> LineSplitter:
    """Return what splits a line at tabs."""
    return lambda line: [_unquote(cell) for cell in line.split("\t")]


def _unquote(cell: str) -> str:
    """Undo the quoting of programs that write TSV as CSV: only cells with doubled quotes are such."""
    inner = cell[1:-1]
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"' and '""' in inner
    if quoted and '"' not in inner.replace('""', ""):
        return inner.replace('""', '"')
    return cell


def csv_splitter(header: str) -> LineSplitter:
    """Return what splits a line as the header is. Spreadsheets write semicolons where commas are decimal."""
    return partial(_split_csv, delimiter=max(",;\t", key=header.count))


def _split_csv(line: str, delimiter: str) -> list[str]:
    try:
        # A field longer than csv's limit cannot occur: lines are shorter.
        return next(csv.reader([line], strict=True, delimiter=delimiter))
    except (csv.Error, StopIteration) as error:
        raise RecordError(
            "unreadable record", f"expected CSV cells, found {error}; close the quote on its line"
        ) from error


def _read_table(path: FilePath, splitter: Callable[[str], LineSplitter]) -> Iterator[Row]:
    numbered = read_lines(path)
    _, header = next(numbered, (0, ""))
    if isinstance(header, RecordError):
        raise DataError(f"{path}:1: {header}")
    split_line = splitter(header)
    try:
        names = [name.strip() for name in split_line(header)]
    except RecordError as error:
        raise DataError(f"{path}:1: {error}") from error
    if len(set(names)) < len(names):
        raise DataError(f"{path}:1: expected every column once, found {names}; rename one")
    for number, line in numbered:
        content = line if isinstance(line, RecordError) else _parse_record(line, names, split_line)
        if isinstance(content, RecordError) or any(cell.strip() for cell in content.values()):
            yield Row(number, content)  # else the blank rows that spreadsheets write


read_tsv_rows = partial(_read_table, splitter=tsv_splitter)
"""Rows of a tab-separated file with a header line. Quotes are text, so none can swallow lines."""
read_csv_rows = partial(_read_table, splitter=csv_splitter)
"""Rows of a table whose header tells what divides cells; a quoted one must end on its line."""


def _parse_record(line: str, names: list[str], split_line: LineSplitter) -> Fields | RecordError:
    try:
        cells = split_line(line)
    except RecordError as error:
        return error
    if len(cells) != len(names):
        counts = f"expected {len(names)} cells as in the header, found {len(cells)}"
        return RecordError("unreadable record", f"{counts}; look for a stray or missing separator")
    return dict(zip(names, cells, strict=True))
