"""JSON of files that somebody else may have written, as plain values of bounded depth."""

from __future__ import annotations

import json
from typing import Any

MAX_DEPTH = 100
"""Objects and lists inside each other: what walks over a value afterwards calls itself once for each."""


def parse_json(content: str | bytes, decoder: json.JSONDecoder | None = None) -> Any:
    """Parse JSON whose depth is bounded.

    Args:
        content: the JSON.
        decoder: of texts; what :func:`json.loads` has if None.

    Raises:
        ValueError: not JSON, or nested more than :data:`MAX_DEPTH` deep.
    """
    try:
        value = decoder.decode(content) if decoder and isinstance(content, str) else json.loads(content)
    except RecursionError:
        raise _depth_error() from None
    if _count_brackets(content) > MAX_DEPTH:  # else it cannot be deep, which takes no walk to see
        _check_depth(value)
    return value


def _count_brackets(content: str | bytes) -> int:
    if isinstance(content, str):
        return content.count("[") + content.count("{")
    return content.count(b"[") + content.count(b"{")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise _depth_error()


def _depth_error() -> ValueError:
    return ValueError(f"values nested more than {MAX_DEPTH} deep")
