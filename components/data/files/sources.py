"""What a user names as data -> the files that it stands for: patterns, folders, manifests with archives."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from components.data.files.format import DATA_FORMATS
from components.errors import DataError
from components.files.locations.clients import client_of
from components.files.locations.location import file_name_of, is_remote
from components.files.locations.opening import is_file, is_folder

MAX_FILES = 1_000_000
_BRACES = re.compile(r"\{([^{}]*)\}|_OP_(.*?)_CL_")
_RANGE = re.compile(r"([0-9]{1,9})\.\.([0-9]{1,9})")


@dataclass(frozen=True)
class Source:
    """The files of a data set, in order.

    Attributes:
        name: for people.
        files: locations of them.
        format: a key of ``FORMATS``; None: what content and extension of each file say.
        archives: with the recordings, where they are named beside the files.
    """

    name: str
    files: tuple[str, ...]
    format: str | None = None
    archives: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse local files that are not there and URLs that may not be fetched; fetches none. DataError."""
        for file in (*self.files, *self.archives):
            if is_remote(file):
                client_of(file).check(file)
            elif not is_file(file):
                raise DataError(f"{file}: expected a file, found none; check the path")


def find_source(text: str) -> Source | None:
    """Return the files that a name stands for; None where it is no URL, pattern, archive or folder of them.

    Raises:
        DataError: A pattern or folder has no files.
    """
    if not is_remote(text) and is_file(text) and _format_of(text) is None:
        return None
    parts = [part.strip() for part in re.split(r",(?![^{]*\})", text)]  # commas inside braces divide nothing
    if len(parts) == 2 and (form := _format_beside(parts[1])):
        manifests, archives = _expand(parts[0]), _expand(parts[1])
        return Source(_name(manifests[0]), tuple(manifests), form, tuple(archives))
    if len(parts) != 1:
        return None
    if not is_remote(text) and is_folder(text):
        return _find_in_folder(text)
    if not is_remote(text) and not _BRACES.search(text) and not glob.has_magic(text):
        form = _format_of(text) if is_file(text) else None
        return Source(_name(text), (text,), form) if form else None
    files = _expand(text)
    forms = {_format_of(file) for file in files}
    if len(forms) > 1:
        raise DataError(f"{text}: expected files of one format, found several; name one")
    return Source(_name(files[0]), tuple(files), forms.pop())


def _name(file: str) -> str:
    return Path(file_name_of(file)).stem or file


def _format_of(file: str) -> str | None:
    """Return the format that a file's name says, of those that have several files; None of others."""
    name = file_name_of(file)
    return next((key for key, form in DATA_FORMATS.items() if form.find_files and form.takes(name)), None)


def _format_beside(archives: str) -> str | None:
    """Return the format of manifests beside which archives of this name are named."""
    forms = ((key, form.archives) for key, form in DATA_FORMATS.items() if form.archives)
    return next((key for key, names in forms if re.fullmatch(names, archives)), None)


def _expand(pattern: str) -> list[str]:
    """Return the files of a pattern: ``{0..7}``, ``{a,b}``, NeMo's ``_OP_0..7_CL_``; locally also ``*``."""
    files = [file for each in _expand_braces(pattern) for file in _expand_stars(each)]
    if not files:
        raise DataError(f"{pattern}: expected files, found none; check the pattern")
    return files


def _expand_stars(pattern: str) -> list[str]:
    if is_remote(pattern) or not glob.has_magic(pattern) or is_file(pattern):
        return [pattern]
    return sorted(file for file in glob.glob(pattern) if Path(file).is_file())  # noqa: PTH207 - absolute too


def _expand_braces(pattern: str) -> Iterator[str]:
    texts, choices, count, position = list[str](), list[list[str]](), 1, 0
    for match in _BRACES.finditer(pattern):
        inside = match[1] if match[1] is not None else match[2]
        texts.append(pattern[position : match.start()])
        choices.append(_read_choices(pattern, inside))
        position, count = match.end(), count * len(choices[-1])
        if count > MAX_FILES:
            raise DataError(f"{pattern}: expected at most {MAX_FILES} files, found more; name fewer")
    for chosen in product(*choices):
        yield "".join(text + choice for text, choice in zip(texts, chosen, strict=True)) + pattern[position:]


def _read_choices(pattern: str, inside: str) -> list[str]:
    if match := _RANGE.fullmatch(inside):
        first, last = int(match[1]), int(match[2])
        if last - first >= MAX_FILES:
            raise DataError(f"{pattern}: expected at most {MAX_FILES} files, found more; name fewer")
        if last < first:
            raise DataError(f"{pattern}: expected a range such as {{0..7}}, found {inside}; turn it round")
        width = len(match[1]) if match[1].startswith("0") else 0
        return [f"{number:0{width}d}" for number in range(first, last + 1)]
    return inside.split(",")


def _find_in_folder(text: str) -> Source | None:
    """Return the files of a data set that is a folder."""
    for name, form in DATA_FORMATS.items():
        if form.find_files is not None and (files := form.find_files(text)):
            return Source(Path(text).absolute().name, tuple(files), name)
    return None
