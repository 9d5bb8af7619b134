"""Which files a user means by recordings: a file, a folder of them, a pattern, or several of these."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from components.errors import DataError
from components.files.locations.clients import client_of
from components.files.locations.location import parse_location
from components.files.locations.opening import is_file

AUDIO_EXTENSIONS = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".oga", ".m4a", ".aac", ".aif", ".aiff", ".wma")
VIDEO_EXTENSIONS = (".mp4", ".m4v", ".mkv", ".webm", ".mov", ".avi", ".mpg", ".mpeg", ".ts", ".3gp")
"""Their sound is read; a folder is searched for files with these endings."""
UNCOMPRESSED = (".wav", ".flac", ".aif", ".aiff")
RECORDING_EXTENSIONS = (*AUDIO_EXTENSIONS, *VIDEO_EXTENSIONS)


def find_recordings(paths: str | Sequence[str]) -> list[str]:
    """Return the files that paths stand for, in order, each once; a URL stands for itself.

    Args:
        paths: files, folders (searched to the bottom, hidden files left out) and patterns such as
            ``talks/*.wav``; in one text, a line each.

    Raises:
        DataError: one of them stands for no file.
    """
    if isinstance(paths, str):
        paths = [paths] if path_exists(Path(paths)) else paths.split("\n")
    files = [file for path in paths if path.strip() for file in _expand(path)]
    if not files:
        raise DataError("expected at least one audio file, found none")
    return list(dict.fromkeys(files))


def guess_seconds(file: str) -> float | None:
    """Return about how long a recording is, by the size of its file, without opening it.

    Samples take 32 KB a second (16 kHz, 16 bit), as does FLAC of twice the rate; compressed sound 16 KB.
    """
    try:
        size = Path(file).stat().st_size
    except (OSError, ValueError):
        return None
    return size / (32_000 if Path(file).suffix.lower() in UNCOMPRESSED else 16_000)


def path_exists(path: Path) -> bool:
    """Return whether there is something; False of what cannot be a path at all."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _expand(path: str) -> list[str]:
    location = parse_location(path)
    if location.is_remote:
        client_of(location.file).check(location.file)
        return [path]
    if location.member is not None and is_file(location.file):
        return [path]
    if path_exists(Path(path)):
        return _search_folder(Path(path)) if Path(path).is_dir() else [path]
    files = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - absolute patterns too
    files = [file for file in files if not Path(file).is_dir()]
    if not files:
        reason = "standard input: write it to a file first" if path == "-" else "none; check the path"
        raise DataError(f"{path}: expected a file, folder or pattern of files, found {reason}")
    return files


def _search_folder(folder: Path) -> list[str]:
    files = sorted(
        str(path)
        for path in folder.rglob("*")
        if path.suffix.lower() in RECORDING_EXTENSIONS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
    if not files:
        endings = ", ".join(RECORDING_EXTENSIONS)
        raise DataError(f"{folder}: expected a folder with recordings ({endings}), found none in it")
    return files
