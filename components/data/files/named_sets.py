"""Data sets without a manifest: those that have a name, and parallel text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice, repeat
from pathlib import Path

from components.data.files.drafts import Draft
from components.data.files.parsing import RecordError, read_lines
from components.data.row_reader import DraftedRow, RowReader
from components.errors import DataError
from components.files.digests import data_folder
from components.files.locations.opening import open_location

SAMPLES = Path(__file__).parents[2] / "samples" / "manifest.jsonl"
MULTI30K_VARIABLE = "ANTIPHON_MULTI30K"
PARAGRAPHS = "paragraphs:"
NAMED = {
    "sample": "spoken English captions of our own with German references (audio)",
    "multi30k:SPLIT": f"Multi30k captions from ${MULTI30K_VARIABLE}, or fetched (text)",
    "multi30k:FOLDER:SPLIT": "the same from a folder that you name",
    "paragraphs:FILE": "plain text whose paragraphs are divided by blank lines, each one record",
    "fold:K/N:SOURCE": "part K of N of any of these, by the ids; fold:-K/N:SOURCE: all but that part",
}


def open_multi30k(
    name: str, source: str | None, target: str | None, limit: int | None
) -> tuple[RowReader, Iterator[DraftedRow]]:
    """Open ``multi30k:[FOLDER:]SPLIT``: image captions, English to German unless other languages are set.

    Elliott et al. 2016 and 2017. The files are ``SPLIT.LANGUAGE``, one caption a line.
    """
    return open_parallel(find_multi30k_files(name, source, target), name=name, limit=limit)


def find_multi30k_files(name: str, source: str | None, target: str | None) -> list[Path]:
    """Return the source and target file of a set of Multi30k. DataError where one is missing."""
    folder_name, _, split = name.removeprefix("multi30k:").rpartition(":")
    folder = Path(folder_name) if folder_name else _find_multi30k_folder()
    if not split or Path(split).name != split:
        raise DataError(f"{name}: expected multi30k:SPLIT or multi30k:FOLDER:SPLIT")
    files = [folder / f"{split}.{language}" for language in (source or "en", target or "de")]
    missing = [file for file in files if not file.is_file()]
    if missing:
        splits = sorted({file.stem for file in folder.glob("*.*") if file.is_file()})
        raise DataError(
            f"{name}: expected {missing[0]}, found none; the folder has: {', '.join(splits) or 'nothing'}"
        )
    return files


def _find_multi30k_folder() -> Path:
    named = os.environ.get(MULTI30K_VARIABLE)
    candidates = [
        *([Path(named)] if named else []),
        data_folder() / "multi30k",
        Path(__file__).parents[3].parent / "shared" / "data" / "multi30k",
        Path.cwd().parent / "shared" / "data" / "multi30k",
    ]
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise DataError(
        f"multi30k: expected its folder in ${MULTI30K_VARIABLE} or {data_folder()} ($ANTIPHON_DATA), found "
        "none; python -m benchmarks.data fetch multi30k gets it, or write multi30k:FOLDER:SPLIT"
    )


def split_file_list(source: str) -> list[Path] | None:
    """Return the files of ``a.en,a.de``, or None when ``source`` is not such a list."""
    parts = [Path(part.strip()) for part in source.split(",")]
    return parts if len(parts) > 1 and all(part.suffix and part.name for part in parts) else None


def open_parallel(
    files: list[Path],
    *,
    name: str | None = None,
    source: str | None = None,
    target: str | None = None,
    limit: int | None = None,
) -> tuple[RowReader, Iterator[DraftedRow]]:
    """Open line-aligned text: what makes its rows, and these.

    Args:
        files: the source, and one or more files of references.
        name: of the data set; None: that of the first file.
        source: language of the source; None: the file's last extension.
        target: language of the references; None: the second file's last extension.
        limit: takes the first lines only.

    Raises:
        DataError: The numbers of lines differ, so that nothing can be aligned.
    """
    first, *others = files
    target = target or _extension_language(others[0])
    reader = RowReader(name or first.stem, str(first.parent), None, target)
    counts = [_count_lines(file) for file in files]
    if len(set(counts)) > 1 or not counts[0]:
        sizes = ", ".join(f"{file} {count}" for file, count in zip(files, counts, strict=True))
        raise DataError(
            f"expected the same number of lines (at least one) in each file, found {sizes}; align them"
        )
    return reader, _read_parallel(reader, files, source or _extension_language(first), limit)


def _read_parallel(
    reader: RowReader, files: list[Path], source: str, limit: int | None
) -> Iterator[DraftedRow]:
    first = files[0]
    total = _count_lines(first)
    columns = [islice(_read_all_lines(file), total) for file in files]
    for number, (text, *references) in enumerate(zip(*columns, strict=True), 1):
        if limit is not None and reader.count >= limit:
            break
        where, fallback = f"{first}:{number}", f"{first.stem}-{number:06d}"
        items = zip(files, (text, *references), strict=True)
        file, bad = next((each for each in items if isinstance(each[1], RecordError)), (first, None))
        if isinstance(bad, RecordError):
            yield from reader.refuse(bad, f"{file}:{number}", fallback)
            continue
        draft = Draft(
            id=fallback,
            text=text if isinstance(text, str) else "",
            source_language=source,
            references={"": [item for item in references if isinstance(item, str) and item.strip()]},
        )
        yield from reader.read(draft, where, fallback)


def _extension_language(file: Path) -> str:
    return file.suffix.removeprefix(".")


def _read_all_lines(file: Path) -> Iterator[str | RecordError]:
    """Yield every line, blank ones included, so that alignment is kept; blank ones without end follow."""
    last = 0
    for number, line in read_lines(file):
        yield from repeat("", number - last - 1)
        yield line
        last = number
    yield from repeat("")


def _count_lines(file: Path) -> int:
    with open_location(str(file)) as handle:
        return sum(1 for _ in handle)
