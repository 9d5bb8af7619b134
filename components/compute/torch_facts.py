"""What torch reports about this machine; the part of :mod:`components.compute.machine` that imports torch."""

from __future__ import annotations

import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

from components.compute.instruction_sets import features
from components.compute.layers.kernels import PLAIN, kernels
from components.errors import ConfigError

_DECIDING = ("avx2", "avx512f", "avx512bf16", "avx512vnni", "avxvnni", "amx-tile", "bf16", "i8mm", "sve")
"""Features, in LLVM's names, by which torch, oneDNN or our own kernels choose their products."""


def describe_processor() -> str:
    """Describe the processor: vendor (MKL chooses by it), torch's instruction set, deciding features."""
    able = features()
    words = (platform.machine(), _read_vendor(), torch.backends.cpu.get_cpu_capability())
    return " ".join([word for word in words if word] + [name for name in _DECIDING if name in able])


@cache
def _read_vendor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id")), "")


def describe_kernels() -> str:
    """Name the kernels in use: ``own``, ``onednn`` or ``plain``.

    Raises:
        ConfigError: the environment asks for others.
    """
    try:
        cpu_kernels = kernels()
    except ValueError as fault:
        raise ConfigError(str(fault)) from None
    return PLAIN if cpu_kernels is None else cpu_kernels.describe()


class _ThreadNumbers(threading.local):
    """How many threads torch uses: a thread's own number where it has set one, else the process's."""

    _lock = threading.RLock()
    _inside, _default = 0, 0
    _depth = 0

    @contextmanager
    def use(self, number: int) -> Iterator[None]:
        """Let torch use ``number`` CPU threads in this thread; the last bits of products depend on it.

        torch's number is one of the thread, and what threads that are made later begin with. Several threads
        may be in here at once, so the number of the process is noted by the first and put back by each.
        """
        with self._lock:
            before = self.count()
            if _ThreadNumbers._inside == 0:
                _ThreadNumbers._default = before
            _ThreadNumbers._inside += 1
        self._depth += 1
        torch.set_num_threads(number)
        try:
            yield
        finally:
            torch.set_num_threads(before)
            self._depth -= 1
            with self._lock:
                _ThreadNumbers._inside -= 1

    def count(self) -> int:
        """Return how many CPU threads torch uses in this process; in :meth:`use`, in this thread."""
        # A thread that asks torch first while another is in there would have the other's number from then on.
        with self._lock:
            is_others = _ThreadNumbers._inside and not self._depth
            return _ThreadNumbers._default if is_others else torch.get_num_threads()


THREADS = _ThreadNumbers()


def allow_tf32() -> None:
    """Compute float32 products on a GPU in TF32, 8 times as fast on cards that have it; the CPU's stay.

    ``NVIDIA_TF32_OVERRIDE=0`` in the environment forbids it.
    """
    torch.backends.cuda.matmul.allow_tf32 = True


def matmul_precision() -> str:
    """Return the precision of float32 products on a GPU, once it is set."""
    allow_tf32()
    return torch.get_float32_matmul_precision()


def count_devices() -> tuple[int, bool]:
    """Return the number of CUDA devices, and whether Apple's GPU is there."""
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return cuda, torch.backends.mps.is_available()
