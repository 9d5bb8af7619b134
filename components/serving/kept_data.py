"""Kept requests as a data set: a folder for each hour, with a manifest and the recordings beside it.

A request is one line, written at once after its recording; what a killed server left of a line counts for
nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.data.files.format import Format
from components.data.files.formats import FORMATS
from components.data.files.parsing import Row, read_json_rows
from components.files.files import sync_file, sync_folder
from components.records import Audio

KEPT = "kept"
"""Folder of a store with a folder for each graph."""
MANIFEST, SHADOW, AUDIO = "kept-requests.jsonl", "shadow.jsonl", "audio"


_HOUR = "%Y-%m-%dT%H"


class KeptRequests:
    """The kept requests of one graph.

    Args:
        store: folder of the store.
        name: of the graph.

    Attributes:
        store: the same.
        folder: theirs in it.
    """

    def __init__(self, store: Path, name: str) -> None:
        self.store, self.folder = store, store / KEPT / name

    def add(self, row: Mapping[str, Any], recording: Path | None) -> int:
        """Keep a request; returns its bytes.

        Args:
            row: as a manifest has it, without its recording.
            recording: which is moved, if there is one.
        """
        hour, size = self._hour(), 0
        stored: dict[str, Any] = dict(row)
        if recording is not None:
            target = hour / AUDIO / str(row["id"])
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(recording, partial := target.with_suffix(".part"))
            sync_file(partial)
            partial.replace(target)
            sync_folder(target.parent)
            stored["audio"], size = f"{AUDIO}/{target.name}", target.stat().st_size
        return size + _append_line(hour / MANIFEST, stored)

    def add_shadow(self, values: Mapping[str, Any]) -> None:
        """Keep what two graphs gave for a request."""
        _append_line(self._hour() / SHADOW, values)

    def read_shadow(self) -> Iterator[dict[str, Any]]:
        """Yield what two graphs gave, request by request."""
        for file in sorted(self.folder.glob(f"*/{SHADOW}")):
            for row in _read_whole_lines(file):
                if isinstance(row.content, dict):
                    yield row.content

    def remove_old(self, days: float, size: int) -> int:
        """Remove what was kept for longer than so many days, and the oldest hours beyond so many bytes.

        Returns:
            Bytes of the present hour, which stays, however large.
        """
        hours = sorted(
            ((began, path) for path in self.folder.glob("*") if (began := _began(path))), reverse=True
        )
        now, total, present = time.time(), 0, 0
        for number, (began, hour) in enumerate(hours):
            total += (here := sum(path.stat().st_size for path in hour.rglob("*") if path.is_file()))
            if began + 3600 < now - days * 86_400 or (total > size and number):
                shutil.rmtree(hour, ignore_errors=True)
            elif began + 3600 > now:
                present += here
        return present

    def _hour(self) -> Path:
        hour = self.folder / datetime.now(UTC).strftime(_HOUR)
        hour.mkdir(parents=True, exist_ok=True, mode=0o700)
        return hour


def _began(folder: Path) -> float:
    """Return when an hour began, in seconds since 1970; 0 of what is none of ours."""
    with suppress(ValueError):
        return datetime.strptime(folder.name, _HOUR).replace(tzinfo=UTC).timestamp() if folder.is_dir() else 0
    return 0


def borrow_recording(audio: Audio, name: str) -> Path:
    """Return an upload under a further name, so that it outlives its request; whoever asked removes it."""
    path = Path(f"{audio.path}.{name}")
    try:
        os.link(audio.path, path)
    except OSError:  # no links here
        shutil.copyfile(audio.path, path)
    return path


def _append_line(path: Path, values: Mapping[str, Any]) -> int:
    """Append one JSON object in one call, after the end of the last whole line; returns its bytes."""
    line = json.dumps(values, ensure_ascii=False).encode(errors="replace") + b"\n"
    with path.open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(end - 1)
            if file.read(1) != b"\n":  # a server was killed, or the disk was full
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
        os.write(file.fileno(), line)
        os.fsync(file.fileno())
    return len(line)


def _read_whole_lines(path: Path) -> Iterator[Row]:
    """Yield the rows of a file but what was begun of a last line."""
    rows = list(read_json_rows(str(path)))
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        is_whole = file.read(1) in (b"", b"\n")
    yield from rows if is_whole else rows[:-1]


_PLAIN = FORMATS["antiphon"]
FORMAT = Format(
    summary="requests that antiphon serve has kept: a folder STORE/kept/NAME",
    identifying_fields=("served",),
    known_fields=(*_PLAIN.known_fields, "served"),
    read=lambda source: _read_whole_lines(Path(source.location)),
    convert=_PLAIN.convert,
    files=MANIFEST.replace(".", r"\."),
    find_files=lambda folder: sorted(map(str, Path(folder).glob(f"*/{MANIFEST}"))),
)
