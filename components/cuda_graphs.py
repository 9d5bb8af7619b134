"""Whether decoding steps run as CUDA graphs, as the environment says; known without importing torch."""

from __future__ import annotations

import os
from typing import Literal

from components.errors import ConfigError

CUDA_GRAPHS = "ANTIPHON_CUDA_GRAPHS"
"""Environment variable: how decoding steps run on CUDA, see :func:`read_cuda_graphs`."""


def read_cuda_graphs() -> Literal["off", "on", "eager"]:
    """Return how decoding steps run on CUDA: what ANTIPHON_CUDA_GRAPHS says, else ``off``.

    ``on``: in fixed shapes, recorded as CUDA graphs; ``eager``: in the same shapes, unrecorded, to find out
    what is at fault.

    Raises:
        ConfigError: it says something else.
    """
    text = os.environ.get(CUDA_GRAPHS) or "off"
    if text not in {"off", "on", "eager"}:
        raise ConfigError(f"{CUDA_GRAPHS}: expected on, eager or off, found {text!r}")
    return text  # type: ignore[return-value]
