"""Escaping of untrusted text for terminals and HTML pages."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping

# Control characters (but for line feed and tab), lone surrogates, bidi overrides and isolates.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def to_printable(text: str) -> str:
    """Spell out control characters, lone surrogates and bidi overrides of a text as ``⟨U+202E⟩``.

    Those can reorder or hide what a person reads; letters, marks and joiners stay as they are.
    """
    return _HIDDEN.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text)


def make_printable(value: object) -> object:
    """Return JSON values in which every text, names of fields among them, is printable."""
    if isinstance(value, str):
        return to_printable(value)
    if isinstance(value, Mapping):
        return {make_printable(name): make_printable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [make_printable(each) for each in value]
    return value


def to_script_json(value: object) -> str:
    """Encode JSON that may stand inside ``<script type="application/json">``: ASCII, no ``<``, ``>``, ``&``.

    Raises:
        ValueError: NaN or infinity somewhere in it.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


_MAY_HIDE = re.compile(r"\\(?:[bfr]|u(?:00[0189]|007f|202|206|d[89a-f]))")
"""What the ASCII JSON of a text has that is to be made printable, and of some others."""


def to_printable_script_json(value: object) -> str:
    """Encode JSON as :func:`to_script_json` does, its texts made printable: those of few blocks need it."""
    text = to_script_json(value)
    return to_script_json(make_printable(value)) if _MAY_HIDE.search(text) else text


def svg_data_uri(content: bytes) -> str:
    """Return an SVG as a ``data:`` URI: a picture, whose scripts no browser runs."""
    return f"data:image/svg+xml;base64,{base64.b64encode(content).decode('ascii')}"
