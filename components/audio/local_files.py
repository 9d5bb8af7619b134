"""Recordings as files on this machine, for programs that want a path: players, services, own code."""

from __future__ import annotations

from pathlib import Path

from components.audio.memory import AUDIO_MEMORY
from components.errors import DataError
from components.files.locations.location import is_remote, parse_location
from components.files.locations.opening import COPIES, is_file, is_here, open_local
from components.records import Audio


def prefer_copy(audio: Audio) -> None:
    """Take the copy with the recording's digest, if there is one here: its server is not asked again."""
    if is_remote(audio.path):
        version = AUDIO_MEMORY.find_version(audio.path, audio.sha256)
        if version is not None:
            COPIES.only().use_copy(parse_location(audio.path).file, version)


def local_file(audio: Audio) -> Path:
    """Return the file of a recording, fetched or taken out of its archive if need be.

    Raises:
        DataError: it is gone.
    """
    prefer_copy(audio)
    return open_local(audio.path)


def find_local_file(audio: Audio) -> Path | None:
    """Return the file of a recording if it is there and nothing has to be fetched."""
    prefer_copy(audio)
    try:
        path = open_local(audio.path) if is_here(audio.path) else None
    except DataError:
        return None
    return path if path is not None and is_file(path) else None
