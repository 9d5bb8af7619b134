"""Languages that stand in the names of files: ``talk.it``, ``film.en.srt``."""

from __future__ import annotations

from pathlib import Path

from components.text.languages import NAMES

MARKERS = frozenset({"hi", "cc", "sdh", "forced"})
"""Said of subtitles behind their language: ``film.en.hi.srt`` is not Hindi."""


def language_ending(path: Path) -> str | None:
    """Return the language that a file of plain text has as its ending: two letters, as in ``talk.it``."""
    suffix = path.suffix.removeprefix(".")
    return suffix if len(suffix) == 2 and suffix.isascii() and suffix.isalpha() else None


def language_before_ending(path: Path) -> str | None:
    """Return the language that a film's or recording's file has before its ending, as in ``film.en.srt``."""
    *earlier, last = ["", *(suffix[1:].lower() for suffix in path.with_suffix("").suffixes)]
    if last in MARKERS and earlier[-1] in NAMES:
        last = earlier[-1]
    return last if len(last) == 2 and last in NAMES else None


def name_without_language(path: Path) -> str:
    """Return the name of a file without its ending, and without the language before it."""
    language = language_before_ending(path)
    at = path.name.lower().rfind(f".{language}.") if language else -1
    return path.name[:at] if at > 0 else path.stem
