"""Parameters of OpenAI's endpoints that no graph obeys: refused, or named in a header of the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from components.serving.http.faults import RequestError

_REFUSED = (
    "audio",
    "functions",
    "include",
    "logit_bias",
    "logprobs",
    "modalities",
    "response_format",
    "stop",
    "tools",
    "top_logprobs",
)
"""Whoever sets them counts on another answer."""
_UNSET: tuple[Any, ...] = (None, False, "", [], {}, ["text"], {"type": "text"})


def headers_of_ignored(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return the header that names those parameters of a request that have no effect, if there are some.

    Raises:
        RequestError: one asks for what no graph gives.
    """
    found = {name: value for name, value in parameters.items() if value not in _UNSET}
    for name in _REFUSED:
        if name in found:
            message = f"{name}: expected none, as a graph answers by its text alone; leave it out"
            raise RequestError(400, message, "unsupported_parameter", param=name)
    names = [name for name in found if re.fullmatch(r"\w{1,40}", name, re.ASCII)]
    return {"X-Antiphon-Ignored": ", ".join(names[:16])} if names else {}
