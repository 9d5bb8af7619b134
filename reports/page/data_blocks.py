"""Data of a report: embedded in the page while it is small, else in a folder of scripts beside it.

A page opened from disk may not fetch files, but it may load scripts: ``PAGE-data/NAME.js`` calls
``antiphon("NAME", JSON)`` for a block, or for several that were added one after another and are small.
Nothing of it is read before it is needed.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from components.text.escaping import to_printable_script_json

MAX_INLINE_CHARACTERS = 2 * 2**20
"""Characters of data that a page carries at most."""
FILE_CHARACTERS = 2**22
"""A file with so many takes no further block."""


class DataBlocks:
    """Named blocks of JSON or text, written one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files: list[str] = []
        """Names of their first blocks."""
        self.size = 0
        self._last_size = 0

    def add(self, name: str, value: object, *, follows: bool = False) -> None:
        """Add a block.

        Args:
            name: of letters, digits and hyphens.
            value: its JSON, whose texts are made printable.
            follows: whether it may stand in the file of the block before.
        """
        text = to_printable_script_json(value)
        if not self.files or not follows or self._last_size >= FILE_CHARACTERS:
            self.files.append(name)
            self._last_size = 0
        with self._path_of(self.files[-1]).open("a", encoding="ascii", newline="\n") as file:
            file.write(f'antiphon("{name}",{text});\n')
        self._last_size += len(text)
        self.size += len(text)

    def _path_of(self, first: str) -> Path:
        return self._folder / f"{first}.js"

    @property
    def inline(self) -> bool:
        """Whether the blocks are small enough to be embedded in the page."""
        return self.size <= MAX_INLINE_CHARACTERS

    def embed(self, file: TextIO) -> None:
        """Write every block into the page."""
        for first in self.files:
            with self._path_of(first).open(encoding="ascii", newline="\n") as blocks:
                for line in blocks:
                    name, text = line.removeprefix('antiphon("').removesuffix(");\n").split('",', 1)
                    file.write(f'<script type="application/json" id="{name}">{text}</script>\n')


@contextmanager
def temporary_blocks(parent: Path) -> Iterator[tuple[DataBlocks, Path]]:
    """Blocks in a temporary folder beside the report, which is removed afterwards unless it was moved."""
    folder = Path(tempfile.mkdtemp(dir=parent, prefix=".report-data."))
    try:
        yield DataBlocks(folder), folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish_blocks(folder: Path, target: Path, *, keep: bool) -> None:
    """Move the folder to ``target`` (``keep``), or only remove what an earlier report left there."""
    if target.is_dir():
        shutil.rmtree(target)
    if keep:
        folder.chmod(0o755)
        folder.rename(target)
