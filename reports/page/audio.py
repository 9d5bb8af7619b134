"""Audio of a report: embedded while all of it together is small, linked otherwise."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

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
        path = Path(audio.path)
        if audio.sha256 in files or path.suffix.lower() not in TYPES or not path.is_file():
            continue
        files[audio.sha256] = path
        total += path.stat().st_size
        if total > limit:
            return {}
    return files


def data_uri(path: Path) -> str:
    """Return the file as a ``data:`` URI."""
    return f"data:{TYPES[path.suffix.lower()]};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def relative_url(audio: Audio, folder: Path) -> str:
    """Relative URL of an audio file from the report's folder; never one with a scheme."""
    try:
        relative = os.path.relpath(Path(audio.path).absolute(), folder.absolute())
    except ValueError:  # another drive
        return Path(audio.path).absolute().as_uri()
    return "./" + quote(Path(relative).as_posix(), safe="/", errors="surrogateescape")
