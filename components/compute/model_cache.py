"""A cache of the models that are resident in this process, within a memory budget.

A model is loaded once per process, however many threads need it at the same time; the least recently used one
is evicted first.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from types import ModuleType
from typing import NamedTuple, Protocol, TypeVar, cast

import torch
from torch import nn

from components.compute.machine import machine_memory
from components.files.byte_sizes import parse_bytes

BUDGET_VARIABLE = "ANTIPHON_MEMORY_BUDGET"
BUDGET_FRACTION = 0.6
"""Share of a device's memory that resident models may take, unless the variable says otherwise."""
_MAX_DEPTH = 8
"""How far :func:`measure_bytes` looks into objects within objects."""
T = TypeVar("T")
Sizes = Mapping[str, int]
"""Device -> bytes."""


def memory_budget(device: str) -> int:
    """Return bytes of a device ("cpu", "cuda:0") that resident models may take.

    The environment variable ``ANTIPHON_MEMORY_BUDGET`` gives it for every device; without it, it is 60% of
    the device's memory, or of the container's where that is less.
    """
    if text := os.environ.get(BUDGET_VARIABLE):
        return parse_bytes(text, BUDGET_VARIABLE)
    if device.startswith("cuda"):
        return int(torch.cuda.get_device_properties(torch.device(device)).total_memory * BUDGET_FRACTION)
    return int(machine_memory() * BUDGET_FRACTION)


class ForeignWeights(NamedTuple):
    """Weights that a library keeps out of torch's sight: about as many bytes as their file has."""

    device: str
    nbytes: int


def measure_bytes(value: object) -> dict[str, int]:
    """Return bytes of the tensors in ``value``, by device; storage that several share counts once.

    Looks into modules, containers and the attributes of plain objects, such as a recognizer that has a model.
    """
    sizes: dict[str, int] = {}
    visited: set[int] = set()
    storages: set[tuple[str, int]] = set()

    def add(tensor: torch.Tensor) -> None:
        device = str(tensor.device)
        if tensor.is_mkldnn:  # packed by oneDNN, which lets nobody see the storage
            sizes[device] = sizes.get(device, 0) + tensor.nbytes
        if tensor.layout != torch.strided or tensor.device.type == "meta":
            return
        storage = tensor.untyped_storage()
        if (device, storage.data_ptr()) not in storages:
            storages.add((device, storage.data_ptr()))
            sizes[device] = sizes.get(device, 0) + storage.nbytes()

    def walk(item: object, depth: int) -> None:
        if id(item) in visited or depth > _MAX_DEPTH:
            return
        visited.add(id(item))
        if isinstance(item, ForeignWeights):
            sizes[item.device] = sizes.get(item.device, 0) + item.nbytes
        elif isinstance(item, torch.Tensor):
            add(item)
        elif isinstance(item, nn.Module):
            for module in item.modules():  # a packed layer keeps its weight in a plain object
                visited.add(id(module))
                for part in vars(module).values():
                    walk(part, depth + 1)
        elif isinstance(item, Mapping | list | tuple | set | frozenset):
            for part in item.values() if isinstance(item, Mapping) else item:
                if not isinstance(part, int | str):  # a vocabulary has a hundred thousand
                    walk(part, depth + 1)
        elif not isinstance(item, type | ModuleType):
            attributes = getattr(item, "__dict__", None)  # which objects of other libraries may make up
            for part in attributes.values() if isinstance(attributes, dict) else ():
                walk(part, depth + 1)

    walk(value, 0)
    return sizes


class Buffers(Protocol):
    """Memory that models take after they were loaded, and that can be made again."""

    def count_bytes(self, device: str) -> int:
        """Return bytes on a device."""

    def shrink_to(self, size: int, device: str) -> None:
        """Let go of what is not in use until no more than ``size`` bytes of a device are taken."""


@dataclass
class _ResidentModel:
    value: object
    sizes: Sizes


class ModelCache:
    """A least-recently-used cache of loaded models: one load per key, within a memory budget per device.

    A key says what the model is made of: digests and settings, never a name or a path alone. A model larger
    than the budget is kept, alone, because it is needed now. Eviction drops the cache's reference; memory is
    freed when the last user releases the model, so whoever holds one for longer than a call registers a
    callback by :meth:`on_eviction`.

    Args:
        budget: device -> bytes that resident models may take.
        size: model -> its bytes by device.
    """

    def __init__(
        self, budget: Callable[[str], int] = memory_budget, size: Callable[[object], Sizes] = measure_bytes
    ) -> None:
        self._budget, self._size = budget, size
        self._lock = threading.Lock()
        self._resident: OrderedDict[Hashable, _ResidentModel] = OrderedDict()
        self._loading: dict[Hashable, tuple[int, Future[object]]] = {}
        self._eviction_callbacks: list[Callable[[], None]] = []
        self._buffers: list[Buffers] = []

    def count_buffers(self, buffers: Buffers) -> None:
        """Count ``buffers``, which models take beside their weights, in the budget; they go before models."""
        self._buffers.append(buffers)

    def on_eviction(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` after every eviction."""
        self._eviction_callbacks.append(callback)

    def get(self, key: Hashable, load: Callable[[], T]) -> T:
        """Return the model of ``key``: resident, or loaded by the first caller while the others wait.

        An error of ``load`` reaches every caller that waited for it, and the next call tries again.

        Raises:
            RuntimeError: ``load`` asks for ``key`` itself.
        """
        with self._lock:
            if key in self._resident:
                self._resident.move_to_end(key)
                return cast(T, self._resident[key].value)
            owner, future = self._loading.get(key, (0, None))
            if owner == threading.get_ident():
                raise RuntimeError(f"loading {key!r} asks the model cache for {key!r} itself")
            is_loader = future is None
            if future is None:
                future = Future()
                self._loading[key] = (threading.get_ident(), future)
        if is_loader:
            self._load(key, load, future)
        return cast(T, future.result())

    def _load(self, key: Hashable, load: Callable[[], object], future: Future[object]) -> None:
        try:
            value = load()
            resident = _ResidentModel(value, self._size(value))
            budgets = {device: self._budget(device) for device in resident.sizes}
        except BaseException as error:
            with self._lock:
                del self._loading[key]
            future.set_exception(error)
            return
        with self._lock:
            del self._loading[key]
            self._resident[key] = resident
            future.set_result(value)  # first: an error of what is evicted leaves nobody waiting
            evicted = self._evict_to_budget(key, budgets)
        if evicted:
            self._notify_eviction()

    def _notify_eviction(self) -> None:
        for callback in self._eviction_callbacks:
            callback()
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.empty_cache()  # what torch keeps of it no other process could have

    def _evict_to_budget(self, newest: Hashable, budgets: Sizes) -> bool:
        """Evict the least recently used models until the rest fits; returns whether any was evicted."""
        n_before = len(self._resident)
        for device, budget in budgets.items():
            resident_bytes = sum(model.sizes.get(device, 0) for model in self._resident.values())
            for buffers in self._buffers:
                if resident_bytes + buffers.count_bytes(device) > budget:
                    buffers.shrink_to(max(0, budget - resident_bytes), device)
                resident_bytes += buffers.count_bytes(device)
            for key in [k for k in self._resident if k != newest]:
                if resident_bytes <= budget:
                    break
                if freed := self._resident[key].sizes.get(device, 0):
                    resident_bytes -= freed
                    del self._resident[key]
        return len(self._resident) < n_before

    def keys(self) -> tuple[Hashable, ...]:
        """Return the keys of the resident models, least recently used first."""
        with self._lock:
            return tuple(self._resident)

    def clear(self) -> None:
        """Evict every model."""
        with self._lock:
            self._resident.clear()
        self._notify_eviction()


model_cache = ModelCache()
"""The cache of this process."""
