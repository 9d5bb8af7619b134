"""Audio of a report: embedded while all of it together is small, linked otherwise."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from components.audio.local_files import find_local_file
from components.files.locations.archives import TAKEN_OUT
from components.files.locations.location import parse_location
from components.records import Audio

EMBED_LIMIT = 24 * 2**20
"""Bytes of audio that a report carries at most; above it the players link to the files."""

TYPES = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".m4a": "audio/mp4",
    ".mp4": "audio/mp4",
    ".webm": "audio/webm",
}


def select_embeddable(audios: Iterable[Audio], limit: int = EMBED_LIMIT) -> dict[str, Path]:
    """sha256 -> file of the audio to embed; {} if the files together exceed ``limit`` bytes."""
    files: dict[str, Path] = {}
    total = 0
    for audio in audios:
        if audio.sha256 in files:
            continue
        path = find_local_file(audio)
        if path is None or media_type(path) is None:
            continue
        files[audio.sha256] = path
        total += path.stat().st_size
        if total > limit:
            return {}
    return files


SIGNATURES = {b"RIFF": ".wav", b"fLaC": ".flac", b"ID3": ".mp3", b"OggS": ".ogg"}
"""First bytes of files that were taken out of tables, where they have no names."""


def media_type(path: Path) -> str | None:
    """Return the type of an audio file that browsers play; None of others."""
    if path.suffix.lower() != TAKEN_OUT:
        return TYPES.get(path.suffix.lower())
    with path.open("rb") as file:
        head = file.read(4)
    return next((TYPES[suffix] for mark, suffix in SIGNATURES.items() if head.startswith(mark)), None)


def data_uri(path: Path) -> str:
    """Return the file as a ``data:`` URI."""
    return f"data:{media_type(path)};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def relative_url(audio: Audio, folder: Path) -> str:
    """Return the relative URL of an audio file from the report's folder; never one with a scheme.

    What lies behind a URL or in an archive is played from its copy on this machine, as long as that is there.
    """
    path = find_local_file(audio) or Path(parse_location(audio.path).file)
    try:
        relative = os.path.relpath(path.absolute(), folder.absolute())
    except ValueError:  # another drive
        return path.absolute().as_uri()
    return "./" + quote(Path(relative).as_posix(), safe="/", errors="surrogateescape")
