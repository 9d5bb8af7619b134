"""Secrets taken out of text before it is shown."""

from __future__ import annotations

import re

MASK = "***"

# Secret keys of AWS may hold a slash, so what follows a colon that begins no port is masked to the last @.
_USER_INFO = re.compile(r"(?<=://)(?:[^/\s:@]*:(?!\d+(?:/|$))\S*@|[^/\s@]*@)")
_QUERY_VALUE = re.compile(r"([?&#][\w.\-\[\]]+=)[^\s&#'\"]+")


def redact(text: str) -> str:
    """The text with the user info and the query's values of every URL in it masked.

    All values of a query are masked: which of them is a secret is known to the service alone.
    """
    return _QUERY_VALUE.sub(rf"\1{MASK}", _USER_INFO.sub(f"{MASK}@", text))
