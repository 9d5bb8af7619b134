"""Data of a report: embedded in the page while it is small, else in a folder of scripts beside it.

A page opened from disk may not fetch files, but it may load scripts: ``PAGE-data/NAME.js`` calls
``antiphon("NAME", JSON)``, and nothing of it is read before it is needed.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from components.text.escaping import to_script_json

MAX_INLINE_CHARACTERS = 2 * 2**20
"""Characters of data that a page carries at most."""


class DataBlocks:
    """Named blocks of JSON or text, written one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.names: list[str] = []
        self.size = 0

    def add(self, name: str, value: object) -> None:
        """Add a block; ``name`` is of letters, digits and hyphens."""
        text = to_script_json(value)
        content = f'antiphon("{name}",{text});\n'
        (self._folder / f"{name}.js").write_text(content, encoding="ascii", newline="\n")
        self.names.append(name)
        self.size += len(text)

    @property
    def inline(self) -> bool:
        """Whether the blocks are small enough to be embedded in the page."""
        return self.size <= MAX_INLINE_CHARACTERS

    def embed(self, file: TextIO) -> None:
        """Write every block into the page."""
        for name in self.names:
            content = (self._folder / f"{name}.js").read_text(encoding="ascii")
            text = content.removeprefix(f'antiphon("{name}",').removesuffix(");\n")
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
