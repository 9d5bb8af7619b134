"""Processor, kernels, threads and GPUs as torch sees them, known without importing torch.

The key of a stage includes what decides the last bits of its outputs, and an unchanged stage is reused
without computing: importing torch for that would take longer than all the rest. A process that had to import
it writes these facts to the cache, under a digest of everything that torch decides by, and the next process
reads them. A process that has torch loaded asks torch. Whoever computes compares the plan with torch's
answer.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from components.compute.cuda_graphs import describe_switches
from components.errors import ConfigError, StoreError
from components.files.canonical_json import digest_of
from components.files.digests import cache_folder
from components.files.files import read_json, write_json
from components.records import Record

SWITCHES = (
    *("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE"),
    *("MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG"),
)
"""Environment variables by which a user may choose other kernels of the libraries."""
_VARIABLES = (
    *("OMP_", "KMP_", "GOMP_", "MKL_", "ATEN_", "ONEDNN_", "DNNL_", "TORCH_", "PYTORCH_", "LD_"),
    *("ANTIPHON_KERNELS", "CUDA_", "NVIDIA_", "HIP_", "ROCR_"),
)
"""Prefixes of the environment variables by which torch, its libraries and our kernels decide."""
OWN_KERNELS_VERSION = 2
"""Version of what our own CPU kernels compute: 2, without subnormal numbers."""
WORKER_CARD = "ANTIPHON_WORKER_CARD"
"""Environment variable with what ``nvidia-smi --query-gpu=name,compute_cap --format=csv,noheader`` says of a
worker's card, for a machine without one that plans for workers: ``NVIDIA H100 80GB HBM3, 9.0``."""
_CARDS = ("/dev/nvidia*", "/dev/kfd", "/dev/dxg", "/dev/dri/*", "/proc/driver/nvidia/version")


class MachineFacts(Record):
    """What torch reported in a process that used it for nothing else.

    ``bfloat16`` says of each card whether it computes in it itself: from compute capability 8.0 on.
    """

    key: str
    processor: str
    kernels: str
    threads: int
    matmul: str
    cards: tuple[str, ...]
    bfloat16: tuple[bool, ...]
    mps: bool


def machine_memory() -> int:
    """Return the bytes of memory of this machine, or of its container where that has less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError):
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        total = min(total, int(limit)) if limit.isdecimal() else total
    return total


def describe_numerics(device: str = "cpu", *, threads: bool = True) -> dict[str, str]:
    """Return what of this machine decides the last bits of a product, as short words by name.

    Two processes for which these are equal compute equal bytes.

    Args:
        device: ``cpu``, ``cuda:N`` or ``mps``.
        threads: whether the number of torch's threads counts; False where a stage sets it itself.
    """
    facts = _read_facts(with_card=device.startswith("cuda"))
    kernels = facts.kernels.replace("own", f"own/{OWN_KERNELS_VERSION}")
    facts_by_name = {"processor": facts.processor, "kernels": kernels}
    facts_by_name |= {"threads": str(facts.threads)} if threads else {}
    facts_by_name |= {name: os.environ[name] for name in SWITCHES if os.environ.get(name)}
    if device.startswith("cuda"):
        index = int(device.partition(":")[2] or 0)
        facts_by_name |= {"card": facts.cards[index], "matmul": facts.matmul}
        facts_by_name |= describe_switches()
    return facts_by_name


def resolve_device_name(name: str = "auto") -> str:
    """Return the device of a name in torch's spelling: ``cpu``, ``cuda:N`` or ``mps``.

    Args:
        name: cpu, cuda, cuda:N, mps, or auto: what ANTIPHON_DEVICE says, else the first CUDA device, else
            Apple's GPU, else the CPU. Where there is no card here, cuda is that of :data:`WORKER_CARD`.

    Raises:
        ConfigError: the name is unknown, or this machine has no such device.
    """
    setting = "device"
    if name == "auto" and (preset := os.environ.get("ANTIPHON_DEVICE")):
        setting, name = "ANTIPHON_DEVICE", preset
    if name == "cpu":
        return name
    cuda, mps = _count_devices()
    if name == "auto":
        name = "cuda" if cuda else "mps" if mps else "cpu"
    kind, _, index = name.partition(":")
    if kind not in {"cpu", "cuda", "mps"} or (index and not (kind == "cuda" and index.isdecimal())):
        raise ConfigError(f"{setting}: expected auto, cpu, cuda, cuda:N or mps, found {name!r}")
    count = {"cpu": 1, "cuda": cuda or int(_read_worker_card() is not None), "mps": int(mps)}[kind]
    if int(index or 0) >= count:
        hint = f", or say in {WORKER_CARD} which card the workers have" if kind == "cuda" else ""
        raise ConfigError(
            f"{setting}: expected one of {count} {kind} devices here, found {name!r}; use auto or cpu{hint}"
        )
    return f"cuda:{int(index or 0)}" if kind == "cuda" else kind


def resolve_dtype_name(name: str, device: str = "auto", half: str = "bfloat16") -> str:
    """Return the arithmetic of a name: that name, or what ``auto`` stands for on a device.

    Args:
        name: float32, bfloat16, float16, int8, or auto: float32 but on CUDA, where it is ``half``.
        device: as :func:`resolve_device_name` reads it.
        half: what suits the model on CUDA. bfloat16 becomes float16 on a card that emulates it.

    Raises:
        ConfigError: this machine has no such device.
    """
    if name != "auto":
        return name
    kind, _, index = resolve_device_name(device).partition(":")
    if kind != "cuda":
        return "float32"
    if half == "bfloat16" and not _read_facts(with_card=True).bfloat16[int(index or 0)]:
        return "float16"
    return half


def dtype_for_key(name: str, device: str = "auto", half: str = "bfloat16") -> dict[str, str]:
    """Return ``dtype`` for the key of a stage that knew float32 only, which is left out."""
    resolved = resolve_dtype_name(name, device, half)
    return {} if resolved == "float32" else {"dtype": resolved}


def device_for_key(device: str) -> dict[str, str]:
    """Return ``device`` for the key of a stage that knew the CPU only, which is left out."""
    resolved = resolve_device_type(device)
    return {} if resolved == "cpu" else {"device": resolved}


def resolve_device_type(name: str = "auto") -> str:
    """Return the type (cpu, cuda or mps) of the device of a name; see :func:`resolve_device_name`."""
    return resolve_device_name(name).partition(":")[0]


def _read_worker_card() -> tuple[str, bool] | None:
    """Return name of the workers' card, and whether it has bfloat16; None where it is not said.

    Raises:
        ConfigError: the variable has another form.
    """
    text = os.environ.get(WORKER_CARD)
    if not text:
        return None
    name, _, capability = (part.strip() for part in text.rpartition(","))
    major, _, minor = capability.partition(".")
    if not (name and major.isdecimal() and minor.isdecimal()):
        raise ConfigError(
            f"{WORKER_CARD}: expected a card and its compute capability, such as NVIDIA H100 80GB HBM3, 9.0, "
            f"found {text!r}: copy it from nvidia-smi --query-gpu=name,compute_cap --format=csv,noheader"
        )
    return name, int(major) >= 8


def _count_devices() -> tuple[int, bool]:
    if "torch" in sys.modules:
        from components.compute import torch_facts  # noqa: PLC0415 - imports torch, which is there

        return torch_facts.count_devices()
    facts = _read_cached_facts()
    return len(facts.cards), facts.mps


def _read_facts(*, with_card: bool) -> MachineFacts:
    facts = _ask_torch("", with_card=with_card) if "torch" in sys.modules else _read_cached_facts()
    if with_card and not facts.cards and (card := _read_worker_card()) is not None:
        return facts.model_copy(update={"cards": card[:1], "bfloat16": card[1:]})
    return facts


def _read_cached_facts() -> MachineFacts:
    """Return the facts that another process wrote to the cache, else ask torch and write them."""
    key = _cache_key()
    path = cache_folder() / "machines" / f"{key[:16]}.json"
    with suppress(StoreError, ValidationError):
        if path.exists() and (facts := MachineFacts.model_validate(read_json(path))).key == key:
            return facts
    facts = _ask_torch(key, with_card=True)
    if facts.cards or not _shows_cards():
        with suppress(OSError, StoreError):  # a cache that cannot be written to costs the time of an import
            write_json(path, facts.model_dump(mode="json"))
    return facts


def _shows_cards() -> bool:
    """Return whether there are cards that torch may use: where it finds none, CUDA failed."""
    from torch.version import cuda  # noqa: PLC0415 - takes seconds

    if not cuda or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    return any(line.removeprefix("/dev/nvidia").isdecimal() for line in _read_card_lines())


def _ask_torch(key: str, *, with_card: bool) -> MachineFacts:
    import torch  # noqa: PLC0415 - takes seconds

    from components.compute import torch_facts  # noqa: PLC0415 - imports torch

    cuda, mps = torch_facts.count_devices()
    cards = range(cuda) if with_card else ()
    return MachineFacts(
        key=key,
        processor=torch_facts.describe_processor(),
        kernels=torch_facts.describe_kernels(),
        threads=torch_facts.THREADS.count(),
        matmul=torch_facts.matmul_precision(),
        cards=tuple(torch.cuda.get_device_name(card) for card in cards),
        bfloat16=tuple(torch.cuda.get_device_capability(card) >= (8, 0) for card in cards),
        mps=mps,
    )


def _cache_key() -> str:
    """Return a digest of everything that torch's answers depend on."""
    variables = {name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)}
    processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    packages = {name: version(name) for name in ("torch", "llvmlite", "antiphon")}
    machine = [platform.platform(), sys.executable, *_read_processor_lines(), *_read_card_lines()]
    return digest_of([packages, variables, processors, machine])


def _read_processor_lines() -> Iterator[str]:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("processor", "vendor_id", "model name", "flags", "core id", "physical id")):
                yield line


def _read_card_lines() -> Iterator[str]:
    for pattern in _CARDS:
        yield from sorted(map(str, Path("/").glob(pattern[1:])))
    with suppress(OSError):
        yield Path(_CARDS[-1]).read_text(encoding="utf-8", errors="replace")
