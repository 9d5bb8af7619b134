"""Operators of our own, ``torch.ops.antiphon``: plain torch on the CPU, a kernel in Triton on CUDA.

Not by ``torch.library.custom_op``: a call of it took 0.25 ms, more than the kernels that are saved, one of
these 0.05 ms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

_LIBRARY = torch.library.Library("antiphon", "DEF")  # type: ignore[no-untyped-call]


def define_operator(schema: str, on_cpu: Callable[..., Any], on_cuda: Callable[..., Any]) -> None:
    """Define ``schema``, as torch writes them, by its two implementations; it has no gradient."""
    _LIBRARY.define(schema)  # type: ignore[no-untyped-call]
    name = schema.partition("(")[0]
    _LIBRARY.impl(name, on_cpu, "CPU")  # type: ignore[no-untyped-call]
    _LIBRARY.impl(name, on_cuda, "CUDA")  # type: ignore[no-untyped-call]
