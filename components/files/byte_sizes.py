"""Sizes as people write them in environment variables: ``4GiB``, ``500 MB``, ``1000``."""

from __future__ import annotations

import re

from components.errors import ConfigError

_UNITS = {"": 1, **{f"{letter}B": 1000**n for n, letter in enumerate("KMGT", 1)}}
_UNITS |= {f"{letter}IB": 1024**n for n, letter in enumerate("KMGT", 1)}


def parse_bytes(text: str, variable: str) -> int:
    """Read how many bytes a variable says, at least one.

    Raises:
        ConfigError: it says none.
    """
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) *([KMGT]I?B)?", text.strip().upper(), re.ASCII)
    size = int(float(match[1]) * _UNITS[match[2] or ""]) if match else 0
    if not 0 < size < 2**63:
        raise ConfigError(f"{variable}: expected a size such as 4GiB or 500MB, found {ascii(text)[:40]}")
    return size
