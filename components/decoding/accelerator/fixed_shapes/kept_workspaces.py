"""Which buffers stay with a decoder from search to search, and how much memory all of them take.

To record steps costs some steps, which would hardly pay within one batch. So searches of one bucket use the
same buffers one after another; a search that finds them in use makes its own, and records nothing.
"""

from __future__ import annotations

import threading
from weakref import WeakSet, ref

import torch

from components.compute.batch_sizes import release_on_shortage
from components.compute.model_cache import model_cache
from components.decoding.accelerator.fixed_shapes.static_workspace import Bucket, Workspace

KEPT_SHARE = 0.25
"""Of a card's memory: where all decoders' buffers take more, a new one drops its decoder's idle ones."""


class Workspaces:
    """The workspaces of one decoder."""

    def __init__(self) -> None:
        self._kept: dict[Bucket, Workspace] = {}  # used longest ago first
        self._lock = threading.Lock()
        _ALL.add(self)

    def lend(self, bucket: Bucket, user: object) -> Workspace | None:
        """Lend a bucket's workspace for as long as ``user`` lives; None: there is none, or it is in use."""
        with self._lock:
            workspace = self._kept.get(bucket)
            if workspace is None or not workspace.is_idle:
                return None
            self._kept[bucket] = self._kept.pop(bucket)
            workspace.user = ref(user)
            return workspace

    def keep(self, bucket: Bucket, workspace: Workspace, user: object) -> None:
        """Keep a new workspace that ``user`` uses."""
        with self._lock:
            workspace.user = ref(user)
            self._kept[bucket] = workspace
        self.trim(workspace.tokens.device)

    def trim(self, device: torch.device) -> None:
        """Let go of idle ones while all decoders' buffers take more than their share of a device's memory."""
        self.shrink_to(KEPT_SHARE * _memory_of(device), device)

    def is_kept(self, bucket: Bucket) -> bool:
        """Return whether there is a workspace of this bucket."""
        return bucket in self._kept

    def shrink_to(self, size: float, device: torch.device | None = None) -> None:
        """Let go of what no search uses, until all decoders of a device keep ``size`` bytes; None: of all."""
        with self._lock:
            self._drop_idle(device, size)

    def _drop_idle(self, device: torch.device | None, size: float) -> None:
        for bucket, workspace in list(self._kept.items()):
            if device is not None and _count_kept(device) <= size:
                return
            if workspace.is_idle:
                del self._kept[bucket]


_ALL: WeakSet[Workspaces] = WeakSet()


def _memory_of(device: torch.device) -> float:
    if device.type != "cuda":
        return float("inf")
    return float(torch.cuda.get_device_properties(device).total_memory)


def _count_kept(device: torch.device) -> int:
    """Return bytes of the buffers that all decoders of a device keep."""
    workspaces = [workspace for each in list(_ALL) for workspace in list(each._kept.values())]
    return sum(each.nbytes for each in workspaces if each.tokens.device == device)


class _KeptBuffers:
    """The buffers of all decoders, as the cache of models counts them."""

    def count_bytes(self, device: str) -> int:
        return _count_kept(torch.device(device))

    def shrink_to(self, size: int, device: str) -> None:
        for workspaces in list(_ALL):
            workspaces.shrink_to(size, torch.device(device))


KEPT_BUFFERS = _KeptBuffers()
model_cache.count_buffers(KEPT_BUFFERS)


@release_on_shortage
def _release_idle() -> None:
    for workspaces in list(_ALL):
        workspaces.shrink_to(0)
