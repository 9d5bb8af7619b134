"""What of this machine and process decides the last bits of a result, beside the models and the settings."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

import torch

from components.kernels.machine import features, usable

_DECIDING = ("avx2", "avx512f", "avx512bf16", "avx512vnni", "avxvnni", "amx-tile", "bf16", "i8mm", "sve")
"""Features, in LLVM's names, by which torch, oneDNN or our own kernels choose their products."""
SWITCHES = (
    *("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE"),
    *("MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG"),
)
"""Variables of the libraries by which a user may choose other products than they would."""


def numerics(device: str = "cpu", *, threads: bool = True) -> dict[str, str]:
    """The processor, the kernels, the number of torch's threads and the card, each as a short word.

    Two processes for which these are equal give equal bytes. ``threads`` False: they are set elsewhere.
    """
    found = {"processor": _processor(), "kernels": _kernels()}
    found |= {"threads": str(torch.get_num_threads())} if threads else {}
    found |= {name: os.environ[name] for name in SWITCHES if os.environ.get(name)}
    if torch.device(device).type == "cuda":
        found |= {"card": torch.cuda.get_device_name(torch.device(device))}
        found |= {"matmul": torch.get_float32_matmul_precision()}
    return found


def _processor() -> str:
    """Its maker, since MKL chooses by it, the instructions that torch uses, and further ones that decide."""
    able = features()
    words = (platform.machine(), _maker(), torch.backends.cpu.get_cpu_capability())
    return " ".join([word for word in words if word] + [name for name in _DECIDING if name in able])


@cache
def _maker() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id")), "")


def _kernels() -> str:
    """Whether our own kernels are used, and whether weights are laid out at all."""
    laid_out = "" if os.environ.get("ANTIPHON_PREPACK") != "0" else " unpacked"
    return ("own" if usable() else "onednn") + laid_out
