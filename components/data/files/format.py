"""What a format of data sets is; those of archives and subtitles are entries of ``antiphon.data_formats``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from components.data.files.drafts import Draft
from components.data.files.parsing import Fields, LineCursor, Row
from components.extensions import Extensions, accept_object


@dataclass(frozen=True)
class SourceFile:
    """One of the files of a data set, which is read.

    Attributes:
        location: of the file.
        number: of the file among those of the data set, from 0 on.
        archives: with the recordings, where they are named beside the files.
        language: that texts are written in, where it is known.
        notes: for the user; reading adds some.
        cursor: tells where the last row is, where the format does.
    """

    location: str
    number: int = 0
    archives: tuple[str, ...] = ()
    language: str | None = None
    notes: list[str] = field(default_factory=list)
    cursor: LineCursor | None = None


@dataclass(frozen=True)
class Format:
    """A format of data sets.

    Attributes:
        summary: for the command line.
        identifying_fields: a record with one of them is of this format.
        known_fields: fields that are read or knowingly ignored; a user is told of others.
        read: file -> rows.
        convert: fields of a row -> draft.
        is_jsonl: whether its files are JSONL that identifying fields tell from others.
        language_of: tells by a file's name what language its plain text is in; None: records say it.
        files: names of its files, a regular expression; "" where names do not tell.
        archives: names of archives with recordings that may be named beside its files, likewise.
        find_files: finds its files in a folder; None: a data set is one file.
    """

    summary: str
    identifying_fields: tuple[str, ...]
    known_fields: tuple[str, ...]
    read: Callable[[SourceFile], Iterator[Row]]
    convert: Callable[[Fields], Draft]
    is_jsonl: bool = False
    language_of: Callable[[Path], str | None] | None = None
    files: str = ""
    archives: str = ""
    find_files: Callable[[str], list[str]] | None = None

    def takes(self, file_name: str) -> bool:
        """Return whether a file of this name is certainly of this format."""
        return bool(self.files) and re.fullmatch(self.files, file_name) is not None


DATA_FORMATS: Extensions[Format] = Extensions("antiphon.data_formats", "data format", accept_object(Format))
"""Format by name."""
