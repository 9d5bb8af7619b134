"""Names of files that come from users' data: safe on every system, and no two alike."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

MAX_BYTES = 120
"""Of a name in UTF-8, so that language, node and format fit behind it (255 on most systems)."""
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\ud800-\udfff\u202a-\u202e\u2066-\u2069]')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?$")


def safe_name(name: str) -> str:
    """Return a name for one file of a folder and nothing else: no separators, no leading or trailing dots."""
    text = _UNSAFE.sub("_", unicodedata.normalize("NFC", name)).strip(" .")
    text = text.encode()[:MAX_BYTES].decode("utf-8", "ignore").strip(" .")
    return f"_{text}" if _RESERVED.match(text) else text or "text"


def unique_names(names: Sequence[str]) -> list[str]:
    """Return safe names in the same order; one that equals an earlier, but for case, gets a number."""
    used: set[str] = set()
    numbers = Counter[str]()
    unique = []
    for name in names:
        safe = candidate = safe_name(name)
        while candidate.casefold() in used:
            numbers[safe.casefold()] += 1
            candidate = f"{safe}-{numbers[safe.casefold()] + 1}"
        used.add(candidate.casefold())
        unique.append(candidate)
    return unique


def unique_stems(files: Sequence[str]) -> list[str]:
    """Return safe names without endings; with them where ``talk.mp4`` lies beside ``talk.wav``."""
    stems = [PurePath(file).stem for file in files]
    alike, same = Counter(map(str.casefold, stems)), Counter(map(str.casefold, files))
    return unique_names(
        [
            file if alike[stem.casefold()] > same[file.casefold()] == 1 else stem
            for stem, file in zip(stems, files, strict=True)
        ]
    )
