"""Patterns of zeros: single weights, blocks, N of every M of a row."""

from __future__ import annotations

import re

from components.errors import ConfigError

BLOCK = 32
OF_ROW = re.compile(r"([1-9][0-9]?):([1-9][0-9]?)")
"""N:M: so many of every group of a row."""


def group_shape(pattern: str) -> tuple[int, int]:
    """Return the rows and columns of the groups that a pattern divides a weight into.

    Raises:
        ConfigError: there is no such pattern.
    """
    match = OF_ROW.fullmatch(pattern)
    if match and int(match[1]) < int(match[2]):
        return 1, int(match[2])
    if pattern not in ("block", "single"):
        raise ConfigError(f"pattern: expected single, block or N:M with N below M, as 2:4, found {pattern!r}")
    return (BLOCK, BLOCK) if pattern == "block" else (1, 1)
