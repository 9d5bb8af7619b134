"""Move weights into huge pages: pages of 2 MB instead of 4 KB.

A decoding step reads every weight once. In small pages the processor translates an address every 4 KB and
its prefetching stops at each page's end, which costs a tenth of the products of decoding. Linux moves memory
into huge pages on request (madvise(2), MADV_COLLAPSE, from 6.1 on); elsewhere nothing happens.
"""

from __future__ import annotations

import ctypes
import logging
import mmap
from collections.abc import Callable
from functools import cache
from pathlib import Path

SETTINGS = Path("/sys/kernel/mm/transparent_hugepage")
COLLAPSE = 25
"""MADV_COLLAPSE: move these pages into a large one now."""
MIN_BYTES = 2**18
"""Bytes from which moving is worth a call."""
_log = logging.getLogger("antiphon.memory")


def move_to_huge_pages(address: int, size: int) -> int:
    """Ask Linux to move ``size`` bytes at ``address`` into huge pages.

    Only whole pages move: what lies beside the bytes moves with them, so that neighbouring weights end up
    together. A page that the system cannot move stays as it is.

    Returns:
        The number of pages that moved.
    """
    page = huge_page_size()
    if not page or size < MIN_BYTES:
        return 0
    first, last = address // page, (address + size - 1) // page
    return sum(_move_page(number * page, page) for number in range(first, last + 1))


def ask_for_huge_pages(address: int, size: int) -> None:
    """Ask Linux for huge pages where ``size`` bytes at ``address`` are about to be written first.

    Then nothing needs to move, and there are 512 times fewer pages to be made.
    """
    if page := huge_page_size():
        first, end = -(-address // page) * page, (address + size) // page * page
        if first < end:
            _madvise()(first, end - first, mmap.MADV_HUGEPAGE)


@cache
def _madvise() -> Callable[[int, int, int], int]:
    library = ctypes.CDLL(None)
    library.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return library.madvise


def _move_page(address: int, size: int) -> bool:
    _madvise()(address, size, mmap.MADV_HUGEPAGE)
    return _madvise()(address, size, COLLAPSE) == 0


@cache
def huge_page_size() -> int:
    """Return the size of a huge page in bytes; 0 where there are none or they are switched off."""
    try:
        if "[never]" in (SETTINGS / "enabled").read_text(encoding="ascii"):
            return 0
        size = int((SETTINGS / "hpage_pmd_size").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
    _log.debug("weights are moved into pages of %d bytes", size)
    return size if size <= 2**22 and hasattr(mmap, "MADV_HUGEPAGE") else 0
