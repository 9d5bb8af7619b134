"""Settings of glibc's allocator during training on the CPU, so that freed memory is used again."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt(3)."""
KEEP_FREED = {TRIM_THRESHOLD: 2**31 - 1, MMAP_THRESHOLD: 2**30}
GLIBC_DEFAULTS = {TRIM_THRESHOLD: 2**26, MMAP_THRESHOLD: 2**25}
"""The values that glibc's own adjustment ends at on 64-bit machines."""


@contextmanager
def keep_freed_memory() -> Iterator[None]:
    """Let freed memory stay with the process while the block runs.

    By default glibc hands large blocks back to the system, and every training step would write its
    activations and gradients to fresh pages: a tenth of its time on the CPU. Without glibc nothing happens.
    At the end of the block the memory goes back to the system.
    """
    library = ctypes.CDLL(None)
    if not (hasattr(library, "mallopt") and hasattr(library, "malloc_trim")):
        yield
        return
    try:
        for parameter, value in KEEP_FREED.items():
            library.mallopt(parameter, value)
        yield
    finally:
        for parameter, value in GLIBC_DEFAULTS.items():
            library.mallopt(parameter, value)
        library.malloc_trim(0)
