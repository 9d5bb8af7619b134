"""Removal of secrets from text that is shown."""

from __future__ import annotations

import re

MASK = "***"

# Secret keys of AWS may hold a slash, so what follows a colon that begins no port is masked to the last @.
_USER_INFO = re.compile(r"(?<=://)(?:[^/\s:@]*:(?!\d+(?:/|$))\S*@|[^/\s@]*@)")
_QUERY_VALUE = re.compile(r"([?&#][\w.\-\[\]]+=)[^\s&#'\"]+")


def redact(text: str) -> str:
    """Mask user names, passwords and query values in every URL of a text.

    All values of a query are masked: only the service knows which of them is a secret.
    """
    return _QUERY_VALUE.sub(rf"\1{MASK}", _USER_INFO.sub(f"{MASK}@", text))
