"""How decoding steps run on CUDA, as the environment says; known without importing torch."""

from __future__ import annotations

import os
from typing import Literal

from components.errors import ConfigError

CUDA_GRAPHS = "ANTIPHON_CUDA_GRAPHS"
"""Environment variable: how decoding steps run on CUDA, see :func:`read_cuda_graphs`."""
MEMBER_STREAMS = "ANTIPHON_MEMBER_STREAMS"
"""Environment variable: whether members of one card run side by side, see :func:`read_member_streams`."""


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


def read_member_streams() -> bool:
    """Return whether members that are not one batched product run on streams of their own.

    Raises:
        ConfigError: ANTIPHON_MEMBER_STREAMS says neither on nor off.
    """
    text = os.environ.get(MEMBER_STREAMS) or "off"
    if text not in {"off", "on"}:
        raise ConfigError(f"{MEMBER_STREAMS}: expected on or off, found {text!r}")
    return text == "on"


def describe_switches() -> dict[str, str]:
    """Return what is set by its variable, for the keys of what is computed on CUDA; nothing by default."""
    graphs = read_cuda_graphs()
    streams = {MEMBER_STREAMS: "on"} if read_member_streams() else {}
    return ({} if graphs == "off" else {CUDA_GRAPHS: graphs}) | streams
