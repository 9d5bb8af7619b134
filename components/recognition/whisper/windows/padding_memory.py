"""Where attention looks in a model's padding, remembered in the cache: it takes the time of two windows.

A process that recognizes one short recording would spend half of its time on it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from components.compute.machine import describe_numerics
from components.files.canonical_json import digest_of
from components.files.digests import cache_folder
from components.files.files import write_atomically

VERSION = 1
"""Of what is remembered: raised when ``padding`` finds it otherwise."""


def recall_attention(weights: str, arithmetic: str, compute: Callable[[], Tensor]) -> Tensor:
    """Return the attention (T,) that positions receive, with the bits that ``compute`` has on this machine.

    Args:
        weights: the digest of the model; empty: nothing is remembered.
        arithmetic: in which it computes.
        compute: what finds it.
    """
    if not weights:
        return compute()
    facts = {"threads": str(torch.get_num_threads()), **describe_numerics(threads=False)}
    name = digest_of({"version": VERSION, "weights": weights, "arithmetic": arithmetic, **facts})
    path = cache_folder() / "padding" / f"{name}.safetensors"
    with suppress(OSError, SafetensorError, KeyError):
        return load(path.read_bytes())["attention"]
    attention = compute()
    with suppress(OSError):  # a cache that cannot be written costs time, nothing else
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save({"attention": attention}))
    return attention
