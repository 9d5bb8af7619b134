"""Text of unknown origin, made safe and honest to look at."""

from __future__ import annotations

import json
import unicodedata

_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_KEPT = frozenset("\n\t")


def printable(text: str) -> str:
    """The text with control characters, lone surrogates and bidi overrides spelt out as ``⟨U+202E⟩``.

    Those can reorder or hide what a person reads; letters, marks and joiners stay as they are.
    """
    return "".join(f"⟨U+{ord(char):04X}⟩" if _hidden(char) else char for char in text)


def _hidden(char: str) -> bool:
    return char not in _KEPT and (char in _BIDI or unicodedata.category(char) in ("Cc", "Cs"))


def script_json(value: object) -> str:
    """JSON that may stand inside ``<script type="application/json">``: ASCII, without ``<``, ``>``, ``&``.

    Raises:
        ValueError: NaN or infinity somewhere in it.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
