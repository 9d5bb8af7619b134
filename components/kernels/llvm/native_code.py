"""Intermediate representation -> machine code of this processor, on the threads that torch uses."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from llvmlite import binding, ir

from components.kernels.llvm.ir import I32, I64, VOID, intrinsic

MAPS = Path("/proc/self/maps")
_SINGLE_THREAD_WORK = 2**20
_OPENMP = re.compile(r"lib[gi]?omp\d*\b")


@cache
def features() -> frozenset[str]:
    """What this processor can do, in LLVM's names; nothing where LLVM cannot tell."""
    try:
        flags = binding.get_host_cpu_features()
    except RuntimeError:
        return frozenset()
    return frozenset(name for name, has in flags.items() if has)


def supports_native(*needed: str) -> bool:
    """Whether code of our own may be used: a processor with AVX-512 and what is ``needed``, torch on OpenMP.

    ``ANTIPHON_KERNELS=onednn`` in the environment says no.
    """
    is_enabled = os.environ.get("ANTIPHON_KERNELS") != "onednn"
    return is_enabled and {"avx512f", "avx512bw", *needed} <= features() and openmp() is not None


def threads_for(multiplications: int) -> int:
    """How many of torch's threads so much work is worth: few numbers are faster done by one alone."""
    return torch.get_num_threads() if multiplications > _SINGLE_THREAD_WORK else 1


class Code:
    """The machine code of an LLVM function, for as long as it is kept; it takes 64-bit numbers."""

    def __init__(self, function: ir.Function) -> None:
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        module = function.module
        module.triple = binding.get_process_triple()
        parsed = binding.parse_assembly(str(module))
        parsed.verify()
        machine = binding.Target.from_triple(module.triple).create_target_machine(
            cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(), opt=3
        )
        passes = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(speed_level=2))
        passes.getModulePassManager().run(parsed, passes)
        self._engine = binding.create_mcjit_compiler(parsed, machine)
        self._engine.finalize_object()
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(function.args))
        self.run: Callable[..., None] = kind(self.address(function.name))

    def address(self, name: str) -> int:
        """Where a function of its module is."""
        return int(self._engine.get_function_address(name))


class ParallelCode(Code):
    """The machine code of a function ``(arguments, part, parts)``, which does a part of its work."""

    def __init__(self, function: ir.Function) -> None:
        parallel = openmp()
        if parallel is None:
            raise RuntimeError("expected torch to run on an OpenMP with GNU's interface, found none")
        self._parallel = parallel
        share = ir.Function(function.module, ir.FunctionType(VOID, [function.args[0].type]), "share")
        b = ir.IRBuilder(share.append_basic_block("entry"))
        part, parts = (intrinsic(b, f"omp_get_{name}", I32) for name in ("thread_num", "num_threads"))
        b.call(function, [share.args[0], b.sext(part, I64), b.sext(parts, I64)])
        b.ret_void()
        super().__init__(function)

    def __call__(self, arguments: ctypes.Array[ctypes.c_int64], threads: int) -> None:
        """All of the work, on so many of torch's threads."""
        if threads == 1:
            self.run(ctypes.addressof(arguments), 0, 1)
        else:
            self._parallel(self.address("share"), ctypes.addressof(arguments), threads, 0)


@cache
def openmp() -> Callable[..., None] | None:
    """``GOMP_parallel(function, argument, threads, 0)`` of the OpenMP that torch runs on, or None.

    Its threads are torch's own, so that the two do not get in each other's way.
    """
    try:
        lines = MAPS.read_text(encoding="utf-8").splitlines()
        paths = {line.split(maxsplit=5)[5] for line in lines if _OPENMP.match(line.rpartition("/")[2])}
        library = ctypes.CDLL(min(paths, key=lambda path: "/torch/" not in path))
        for name in ("omp_get_thread_num", "omp_get_num_threads"):
            binding.add_symbol(name, ctypes.cast(getattr(library, name), ctypes.c_void_p).value)
        parallel = library.GOMP_parallel
    except (OSError, ValueError, AttributeError):
        return None
    parallel.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    parallel.restype = None
    return parallel
