"""Truncated files, in containers where FFmpeg takes a file cut short for a shorter recording."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from components.audio.container import audio_error
from components.audio.headers import find_data_chunk
from components.files.locations.location import FilePath
from components.files.locations.opening import open_location


def check_not_truncated(path: FilePath, container: str) -> None:
    """Refuse a file whose headers promise more bytes than it has. DataError."""
    check = CHECKS.get(container)
    if check is None:
        return
    with open_location(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        missing = check(file, size)
    if missing > 0:
        what = f"expected {missing} more bytes by its own headers, found the end of the file: truncated"
        raise audio_error(path, what, "copy it again")


def _missing_wav_bytes(file: BinaryIO, size: int) -> int:
    """Return bytes that the data chunk of a RIFF file lacks."""
    chunk = find_data_chunk(file)
    if chunk is None:
        return 1
    return 0 if chunk.end is None else chunk.end - size


def _missing_ogg_bytes(file: BinaryIO, size: int) -> int:
    """Return bytes that the last page of an Ogg file lacks; a page has at most 65,307 bytes."""
    start = max(0, size - 2 * 65_307)
    file.seek(start)
    tail = file.read()
    page = tail.rfind(b"OggS")
    if page < 0:
        return 0
    segments = tail[page + 26] if page + 26 < len(tail) else 0
    table = tail[page + 27 : page + 27 + segments]
    if len(table) < max(1, segments):
        return max(1, page + 27 + segments - len(tail))
    return page + 27 + segments + sum(table) - len(tail)


CHECKS: dict[str, Callable[[BinaryIO, int], int]] = {"wav": _missing_wav_bytes, "ogg": _missing_ogg_bytes}
