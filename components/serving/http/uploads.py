"""Bodies of requests: read piece by piece, bounded in every way, and never held in memory whole."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

from fastapi import Request
from pydantic_core import from_json
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from components.serving.http.faults import RequestError

LOWEST_RATE = 4096
"""Bytes a second that a client sends on average, once it could have been silent for as long as it may."""
MAX_FIELDS, MAX_VALUE = 32, 65_536
"""Fields of a form, and bytes of the value of one, at most; the parser bounds their headers."""
FILE = "file"
"""The field that is written to disk."""


@dataclass
class Upload:
    """A form: its fields, and the file that was sent with it.

    Attributes:
        fields: name -> values; ``name[]`` is ``name``.
        path: of the file here; the client's name for it is not read.
        sha256: of the file.
    """

    fields: dict[str, list[str]] = field(default_factory=dict)
    path: Path | None = None
    sha256: str = ""

    def get(self, name: str) -> str | None:
        """Return the last value of a field; None where it is empty or missing."""
        return next((value for value in reversed(self.fields.get(name, [])) if value.strip()), None)

    def remove(self) -> None:
        """Remove the file."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


async def read_body(request: Request, limit: int, idle_seconds: float) -> AsyncIterator[bytes]:
    """Yield a body.

    Raises:
        RequestError: it is longer than ``limit`` bytes, or the client is silent or slow for longer than that.
    """
    stated = request.headers.get("content-length", "0")
    too_large = RequestError(413, f"expected a body of at most {limit:,} bytes, found more", "too_large")
    if not stated.isdecimal() or int(stated) > limit:
        raise too_large
    chunks, size, began = request.stream(), 0, time.monotonic()
    while True:
        try:
            async with asyncio.timeout(idle_seconds):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise RequestError(
                408, f"expected the body within {idle_seconds:g} s, found silence", "slow"
            ) from None
        except ClientDisconnect:
            raise RequestError(499, "the client has gone", "cancelled") from None
        if chunk is None:
            return
        size += len(chunk)
        if size > limit:
            raise too_large
        if time.monotonic() - began > idle_seconds + size / LOWEST_RATE:
            raise RequestError(408, f"expected {LOWEST_RATE} bytes a second, found fewer", "slow")
        yield chunk


def read_json(content: str | bytes) -> dict[str, Any]:
    """Return the JSON object that a client has sent, all of whose texts can be written.

    Raises:
        RequestError: it is none.
    """
    try:
        value = from_json(content)  # not json.loads: it takes halves of a character
    except ValueError as error:
        raise RequestError(400, f"expected a JSON object, found {error}") from None
    if not isinstance(value, dict):
        raise RequestError(400, "expected a JSON object, found another JSON value")
    return value


async def read_form(request: Request, folder: Path, limit: int, idle_seconds: float) -> Upload:
    """Read a form with a file; whoever asked removes it.

    Args:
        request: whose body it is.
        folder: where the file is written, under a name of ours.
        limit: bytes of the whole body at most.
        idle_seconds: that the client may be silent.

    Raises:
        RequestError: it is no such form, or beyond a bound.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary or len(boundary) > 256:
        raise RequestError(415, "expected multipart/form-data with a boundary, found another content type")
    reader = _FormReader(folder)
    try:
        parser = MultipartParser(boundary, reader.callbacks)  # type: ignore[arg-type]
        async for chunk in read_body(request, limit, idle_seconds):
            parser.write(chunk)
        parser.finalize()
        if not reader.is_complete:
            raise RequestError(400, "expected the end of the form, found that of the body")
        reader.close()
    except BaseException as error:
        with suppress(OSError):  # what it writes last
            reader.close()
        reader.upload.remove()
        if isinstance(error, OSError):
            message = f"expected room for the recording, found none ({error.strerror}); try again later"
            raise RequestError(503, message, "no_space", retry_after=60) from None
        if isinstance(error, FormParserError):
            raise RequestError(400, f"expected a form, found something else: {error}") from None
        raise
    return reader.upload


class _FormReader:
    """Takes what the parser finds."""

    def __init__(self, folder: Path) -> None:
        self.upload = Upload()
        self.is_complete = False
        self.callbacks = {
            name: getattr(self, f"_{name}")
            for name in (
                "on_part_begin",
                "on_header_field",
                "on_header_value",
                "on_header_end",
                "on_headers_finished",
                "on_part_data",
                "on_part_end",
                "on_end",
            )
        }
        self._folder = folder
        self._digest = hashlib.sha256()
        self._file: IO[bytes] | None = None
        self._fields = 0
        self._header, self._value = b"", b""
        self._name, self._content, self._is_file = "", bytearray(), False

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _on_part_begin(self) -> None:
        self._fields += 1
        if self._fields > MAX_FIELDS:
            raise RequestError(400, f"expected at most {MAX_FIELDS} fields, found more")
        self._header, self._value = b"", b""
        self._name, self._content, self._is_file = "", bytearray(), False

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            self._name = options.get(b"name", b"").decode("utf-8", "replace").removesuffix("[]")[:100]
            self._is_file = self._name == FILE
            if b"filename" in options and not self._is_file:
                message = f"expected a recording in the field {FILE}, found one in {self._name!r}"
                raise RequestError(400, message, param=self._name)
        self._header, self._value = b"", b""

    def _on_headers_finished(self) -> None:
        if not self._name:
            raise RequestError(400, "expected a name for every field, found none")
        if self._is_file and self._file is not None:
            raise RequestError(400, "expected one file, found several", param=FILE)
        if self._is_file:
            self._file = NamedTemporaryFile(dir=self._folder, prefix="upload-", delete=False)  # noqa: SIM115
            self.upload.path = Path(self._file.name)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file and self._file is not None:
            self._file.write(data[start:end])
            self._digest.update(data[start:end])
            return
        self._content += data[start:end]
        if len(self._content) > MAX_VALUE:
            raise RequestError(
                400, f"{self._name}: expected at most {MAX_VALUE} bytes, found more", param=self._name
            )

    def _on_part_end(self) -> None:
        if self._is_file:
            self.upload.sha256 = self._digest.hexdigest()
        else:
            value = bytes(self._content).decode("utf-8", "replace")
            self.upload.fields.setdefault(self._name, []).append(value)

    def _on_end(self) -> None:
        self.is_complete = True
