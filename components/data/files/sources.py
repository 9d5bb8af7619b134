"""What a user names as data -> the files that it stands for: patterns, folders, tars with their manifests."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from components.data.files.archives.lhotse_cuts import is_cuts_file
from components.data.files.archives.nemo_tars import NemoTars
from components.data.files.formats import FORMATS, Format
from components.data.files.parsing import Row
from components.errors import DataError
from components.files.locations.allowed_hosts import check_url
from components.files.locations.location import file_name_of, folder_of, is_remote
from components.files.locations.opening import is_file, is_folder

MAX_FILES = 1_000_000
ARCHIVE_FORMATS = {".tar": "webdataset", ".parquet": "parquet", ".arrow": "parquet"}
"""Ending of a file -> the format that it has."""
_BRACES = re.compile(r"\{([^{}]*)\}|_OP_(.*?)_CL_")
_RANGE = re.compile(r"([0-9]{1,9})\.\.([0-9]{1,9})")


@dataclass(frozen=True)
class Source:
    """The files of a data set, in order.

    Attributes:
        name: for people.
        files: locations of manifests, tars or tables.
        format: a key of ``FORMATS``; None: what content and extension of each file say.
        tars: of NeMo's manifests, by ``shard_id``.
    """

    name: str
    files: tuple[str, ...]
    format: str | None = None
    tars: tuple[str, ...] = ()

    def read_rows(self, number: int, form: Format) -> Iterator[Row]:
        """Yield the rows of one of the files, read as a format says."""
        file = self.files[number]
        rows = form.read(file)
        if form is not FORMATS["nemo"]:
            return rows
        return NemoTars(folder_of(file), self.tars, number).place(rows)

    def check(self) -> None:
        """Refuse local files that are not there and URLs that may not be fetched; fetches none. DataError."""
        for file in (*self.files, *self.tars):
            if is_remote(file):
                check_url(file)
            elif not is_file(file):
                raise DataError(f"{file}: expected a file, found none; check the path")


def find_source(text: str) -> Source | None:
    """Return the files that a name stands for; None where it is no URL, pattern, archive or folder of them.

    Raises:
        DataError: A pattern or folder has no files.
    """
    if not is_remote(text) and is_file(text) and _archive_format(text) is None:
        return None
    parts = _split_commas(text)
    if len(parts) == 2 and parts[1].endswith(".tar"):
        manifests, tars = _expand(parts[0]), _expand(parts[1])
        return Source(_name(manifests[0]), tuple(manifests), "nemo", tuple(tars))
    if len(parts) != 1:
        return None
    if not is_remote(text) and is_folder(text):
        return _find_in_folder(text)
    if not is_remote(text) and not _BRACES.search(text) and not glob.has_magic(text):
        form = _archive_format(text) if is_file(text) else None
        return Source(_name(text), (text,), form) if form else None
    files = _expand(text)
    forms = {_archive_format(file) for file in files}
    if len(forms) > 1:
        raise DataError(f"{text}: expected files of one format, found several; name one")
    return Source(_name(files[0]), tuple(files), forms.pop())


def _name(file: str) -> str:
    return Path(file_name_of(file)).stem or file


def _archive_format(file: str) -> str | None:
    """Return the format that a file's ending says; None for what is read as text."""
    return "cuts" if is_cuts_file(file) else ARCHIVE_FORMATS.get(Path(file_name_of(file)).suffix.lower())


def _split_commas(text: str) -> list[str]:
    """Return the parts of a list, whose commas inside braces divide nothing."""
    return [part.strip() for part in re.split(r",(?![^{]*\})", text)]


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


FOLDERS = (
    ("cuts", ("cuts.jsonl*", "cuts.*.jsonl*")),
    ("parquet", ("*.parquet", "data/*.parquet")),
    ("parquet", ("data-*.arrow", "*.arrow")),
    ("webdataset", ("*.tar",)),
)
"""Formats of folders, with the patterns of their files; the first that has any is taken."""


def _find_in_folder(text: str) -> Source | None:
    """Return the files of a Shar folder, a folder of Parquet or tar files, or what ``save_to_disk`` wrote."""
    folder = Path(text)
    splits = sorted(child.name for child in folder.iterdir() if (child / "dataset_info.json").is_file())
    if (folder / "dataset_dict.json").is_file() and splits:
        raise DataError(
            f"{text}: expected one data set, found {', '.join(splits)[:200]}; name {folder / splits[0]}"
        )
    for form, patterns in FOLDERS:
        files = next((files for pattern in patterns if (files := sorted(folder.glob(pattern)))), [])
        files = [file for file in files if not file.name.startswith("cache-")]
        if not files:
            continue
        names = sorted({re.split(r"-\d|\.", file.name)[0] for file in files})
        if form == "parquet" and len(names) > 1:
            raise DataError(
                f"{text}: expected the files of one data set, found {', '.join(names)[:200]}; "
                f"name '{files[0].parent / names[0]}-*{files[0].suffix}'"
            )
        return Source(folder.absolute().name, tuple(map(str, files)), form)
    return None
