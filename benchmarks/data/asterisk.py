"""Asterisk's prompts: recordings, transcripts, and as translations the prompts of the same name."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from benchmarks.data.fetching import unpack
from benchmarks.data.manifests import write_manifest
from benchmarks.data.pins import VOICES

_ASIDE = re.compile(r"[(\[<{].*?[)\]>}]")
"""What is said of a prompt and not in it: (beep), (voce alternativa ...)."""


def build(packages: Sequence[Path], folder: Path) -> None:
    """Write ``LANGUAGE.jsonl`` and ``wav/LANGUAGE/NAME.wav`` into ``folder``.

    Sounds and single letters are left out; prompts of one text are kept, as they are recordings of their own.
    """
    texts: dict[str, dict[str, str]] = {}
    for package in packages:
        unpack(package, lambda path: _place(path, folder))
    for language in VOICES:
        packed = folder / "texts" / f"core-sounds-{language}.txt.gz"
        texts[language] = read_prompts(gzip.decompress(packed.read_bytes()).decode("utf-8-sig"))
    for language in VOICES:
        write_manifest(folder / f"{language}.jsonl", _rows(folder, language, texts))


def _place(path: PurePosixPath, folder: Path) -> Path | None:
    if path.suffix == ".wav" and "sounds" in path.parts:
        voice, *rest = path.parts[path.parts.index("sounds") + 1 :]
        language = next((code for code, name in VOICES.items() if name == voice), None)
        return folder / "wav" / language / "/".join(rest) if language else None
    return folder / "texts" / path.name if path.name.startswith("core-sounds-") else None


def read_prompts(text: str) -> dict[str, str]:
    """Prompt -> what is spoken, of lines ``NAME: TEXT``; notes in brackets are not spoken.

    >>> read_prompts("; a head\\na/b: Dial (beep) one...\\nbeep: (a beep)\\nc: <silence>")
    {'a/b': 'Dial one...'}
    """
    prompts = {}
    for line in text.splitlines():
        name, colon, spoken = line.partition(":")
        spoken = " ".join(_ASIDE.sub(" ", spoken).strip(' “”"').split())
        if colon and not line.startswith(";") and any(map(str.isalpha, spoken)):
            prompts[name.strip()] = spoken
    return prompts


def _rows(folder: Path, language: str, texts: Mapping[str, Mapping[str, str]]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for name, spoken in texts[language].items():
        file = folder / "wav" / language / f"{name}.wav"
        if len(spoken) < 2 or not file.is_file():
            continue
        rows.append(
            {
                "id": f"{language}/{name}",
                "file": str(file.relative_to(folder)),
                "language": language,
                "transcript": spoken,
                "translation": {
                    other: own[name] for other, own in texts.items() if other != language and name in own
                },
            }
        )
    return rows
