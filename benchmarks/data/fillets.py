"""Fish Fillets: acted dialogue in Czech and Dutch, subtitles in many languages, and these as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from benchmarks.data.fetching import unpack
from benchmarks.data.manifests import write_manifest, write_parallel

SPOKEN = ("cs", "nl")
WRITTEN = ("cs", "de", "es", "fr", "it", "nl", "pl", "ru")
_CALL = re.compile(r'dialog(Id|Str)\(((?:\s*"(?:[^"\\]|\\.)*"\s*,?)+)\)')
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


def build(packages: Sequence[Path], folder: Path) -> None:
    """Write ``cs.jsonl``, ``nl.jsonl`` and their ``sound/``; ``en-de.en``, ``en-de.de`` (all dialogue)."""
    for package in packages:
        unpack(package, lambda path: _place(path, folder))
    levels = sorted(path.name for path in (folder / "script").iterdir())
    lines = {
        (level, language): read_dialogs(file.read_text(encoding="utf-8"))
        for level in levels
        for language in ("en", *WRITTEN)
        if (file := folder / "script" / level / f"dialogs_{language}.lua").is_file()
    }
    for language in SPOKEN:
        write_manifest(folder / f"{language}.jsonl", _rows(folder, language, levels, lines))
    pairs = [pair for level in levels for pair in lines.get((level, "de"), {}).values()]
    write_parallel(folder, "en-de", pairs, ("en", "de"))


def _place(path: PurePosixPath, folder: Path) -> Path | None:
    parts = path.parts[4:]  # usr/share/games/fillets-ng
    if parts[:1] == ("sound",) and len(parts) == 4 and parts[2] in SPOKEN and path.suffix == ".ogg":
        return folder.joinpath(*parts)
    if parts[:1] == ("script",) and path.name.startswith("dialogs_"):
        return folder.joinpath(*parts)
    return None


def read_dialogs(lua: str) -> dict[str, tuple[str, str]]:
    r"""Id -> (English, its translation), of calls dialogId(id, font, English) and dialogStr(text).

    >>> read_dialogs('dialogId("a", "f", "A \\"b\\".")\ndialogStr("Ein \\"b\\".")\ndialogId("c", "f", "C")')
    {'a': ('A "b".', 'Ein "b".')}
    """
    found: dict[str, tuple[str, str]] = {}
    name = english = ""
    for kind, arguments in _CALL.findall(lua):
        strings = [" ".join(re.sub(r"\\(.)", r"\1", text).split()) for text in _STRING.findall(arguments)]
        if kind == "Id":
            name, english = strings[0], strings[-1]
        elif name:
            found[name] = (english, strings[0])
            name = ""
    return found


def _rows(
    folder: Path,
    language: str,
    levels: Sequence[str],
    lines: dict[tuple[str, str], dict[str, tuple[str, str]]],
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for level in levels:
        for name, (english, spoken) in lines.get((level, language), {}).items():
            file = folder / "sound" / level / language / f"{name}.ogg"
            if not file.is_file() or not any(map(str.isalpha, spoken)):
                continue
            translation = {"en": english} | {
                other: lines[level, other][name][1]
                for other in WRITTEN
                if other != language and name in lines.get((level, other), {})
            }
            rows.append(
                {
                    "id": f"{level}/{name}",
                    "file": str(file.relative_to(folder)),
                    "language": language,
                    "transcript": spoken,
                    "translation": {code: text for code, text in translation.items() if text},
                }
            )
    return rows
