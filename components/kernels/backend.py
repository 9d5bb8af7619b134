"""Which kernels multiply: our own, oneDNN's with packed weights, or torch's operators alone."""

from __future__ import annotations

import os
from typing import Literal, get_args

VARIABLE = "ANTIPHON_KERNELS"
Backend = Literal["own", "onednn", "plain"]


def allowed_backend() -> Backend:
    """Return what ``ANTIPHON_KERNELS`` in the environment allows, ``own`` by default.

    ``own``: our own kernels where the processor has what they need, else ``onednn``: weights that oneDNN
    packs once, where this build of torch has its operators, else ``plain``: torch's public operators.

    Raises:
        ValueError: the variable has another value.
    """
    value = os.environ.get(VARIABLE) or "own"
    for backend in get_args(Backend):
        if value == backend:
            return backend  # type: ignore[no-any-return]
    raise ValueError(f"{VARIABLE}: expected one of {', '.join(get_args(Backend))}, found {value!r}")
