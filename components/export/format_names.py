"""The names of the formats, which are the endings of their files, and the libraries that some need."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal, NamedTuple

from components.errors import ConfigError

TextFormat = Literal[
    "txt", "docx", "srt", "vtt", "ass", "ttml", "html", "rttm", "tsv", "jsonl", "json", "parquet"
]


class Library(NamedTuple):
    """A library that a format needs: its module, its name, the extra of Antiphon, and what needs none."""

    module: str
    name: str
    extra: str
    instead: TextFormat


LIBRARIES: dict[str, Library] = {
    "docx": Library("docx", "python-docx", "word", "txt"),
    "parquet": Library("pyarrow", "pyarrow", "parquet", "jsonl"),
}
"""Libraries of formats that not every installation can write; their files are no text."""


def require_library(form: TextFormat) -> None:
    """Refuse a format whose library is missing. Raises ConfigError."""
    library = LIBRARIES.get(form)
    if library is not None and find_spec(library.module) is None:
        raise ConfigError(
            f"format {form}: expected {library.name}, found none; pip install 'antiphon[{library.extra}]', "
            f"or use {library.instead}"
        )
