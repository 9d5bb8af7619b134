"""Ages and dates as users write them, sizes as they read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from components.errors import ConfigError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SIZES = ("B", "kB", "MB", "GB", "TB")


def parse_age(text: str, option: str) -> float:
    """Return the seconds of an age such as ``30d``, ``12h`` or ``0``.

    Raises:
        ConfigError: it is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw]?)", text.strip())
    if match is None or (not match[2] and float(match[1])):
        raise ConfigError(f"{option}: expected an age such as 30d, 12h, 90m or 2w, found {text!r}")
    return float(match[1]) * _UNITS[match[2] or "s"]


def parse_date(text: str, option: str) -> str:
    """Return a date (``2026-11-01``) or time as ISO 8601 in UTC.

    Raises:
        ConfigError: it is none.
    """
    try:
        stated = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option}: expected a date such as 2026-11-01, found {text!r}") from None
    return stated.replace(tzinfo=stated.tzinfo or UTC).astimezone(UTC).isoformat(timespec="seconds")


def format_size(count: float) -> str:
    """Return bytes as a short text with three digits."""
    for unit in _SIZES[:-1]:
        if count < 999.5:  # what rounds to 1000 is 1 of the next unit
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} {_SIZES[-1]}"
