"""What torch says of this machine and process: the part of :mod:`components.machine` that imports it."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

import torch

from components.kernels.llvm.native_code import features, supports_native

_DECIDING = ("avx2", "avx512f", "avx512bf16", "avx512vnni", "avxvnni", "amx-tile", "bf16", "i8mm", "sve")
"""Features, in LLVM's names, by which torch, oneDNN or our own kernels choose their products."""


def describe_processor() -> str:
    """Its maker, since MKL chooses by it, the instructions that torch uses, and further ones that decide."""
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
    """Whether our own kernels are used, and whether weights are laid out at all."""
    laid_out = "" if os.environ.get("ANTIPHON_PREPACK") != "0" else " unpacked"
    return ("own" if supports_native() else "onednn") + laid_out


def count_threads() -> int:
    """Threads of the CPU that torch uses."""
    return torch.get_num_threads()


def matmul_precision() -> str:
    """How exact the products of float32 are on a card."""
    return torch.get_float32_matmul_precision()


def count_devices() -> tuple[int, bool]:
    """The number of CUDA devices, and whether there is Apple's."""
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return cuda, torch.backends.mps.is_available()


def card_name(index: int) -> str:
    """What a CUDA device is called."""
    return torch.cuda.get_device_name(index)
