"""Parallel text that experiments derive: pairs as files of a data reference, and the pairs of Tatoeba."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.common.paths import data_set
from components.files.files import write_atomically

Pair = tuple[str, str]


def write_pairs(
    folder: Path, name: str, pairs: Sequence[Pair], languages: tuple[str, str] = ("en", "de")
) -> str:
    """Write NAME.en and NAME.de; the data reference of both."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}.{language}" for language in languages]
    for column, file in enumerate(files):
        write_atomically(file, "".join(f"{pair[column]}\n" for pair in pairs).encode())
    return ",".join(map(str, files))


def tatoeba_english() -> list[str]:
    """The different English sentences of all Tatoeba pairs, sorted."""
    files = sorted((data_set("tatoeba")).glob("*.eng"))
    return sorted({line for file in files for line in file.read_text(encoding="utf-8").splitlines()})


def tatoeba_pairs() -> list[Pair]:
    """1,000 English sentences with their German translation."""
    folder = data_set("tatoeba")
    columns = [
        (folder / f"tatoeba.deu-eng.{code}").read_text(encoding="utf-8").splitlines()
        for code in ("eng", "deu")
    ]
    return list(zip(*columns, strict=True))
