from __future__ import annotations

import ctypes
import resource

import pytest
import torch

from components.compute.allocator import keep_freed_memory

MEGABYTES = 48


def faults() -> int:
    """Pages that one large tensor, made and given up, is given by the system."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(MEGABYTES * 2**18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="no glibc: nothing to set")
def test_freed_memory_is_used_again_inside_and_given_back_at_the_end() -> None:
    with keep_freed_memory():
        pass  # what tests before this one have freed goes back to the system
    assert faults() > 0
    with keep_freed_memory():
        faults()
        assert faults() == 0
    assert faults() > 0


def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    with keep_freed_memory():
        assert torch.ones(3).sum() == 3
