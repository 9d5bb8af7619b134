"""The instruction sets of this processor, as LLVM names them."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from llvmlite import binding


def read_features() -> Any:
    """LLVM's names of the instruction sets that are to be used -> whether the processor has them.

    Where ``ATEN_CPU_CAPABILITY`` tells torch to do without AVX-512 (``avx2``, ``default``), so do we.
    """
    flags = binding.get_host_cpu_features()
    if os.environ.get("ATEN_CPU_CAPABILITY") in {"avx2", "default"}:
        flags.update({name: False for name in flags if name.startswith(("avx512", "amx"))})
    return flags


@cache
def features() -> frozenset[str]:
    """Return the instruction sets of this processor, by LLVM's names; empty where LLVM cannot tell."""
    try:
        return frozenset(name for name, has in read_features().items() if has)
    except RuntimeError:
        return frozenset()
