"""Compilation of LLVM functions to machine code of this processor, and their calls on torch's threads."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from llvmlite import binding, ir

from components.compute.instruction_sets import features, read_features
from components.compute.layers.kernels import USUAL, VARIABLE
from components.kernels.llvm.ir import I32, I64, VOID, intrinsic

MAPS = Path("/proc/self/maps")
_SINGLE_THREAD_WORK = 2**20
"""Multiplications up to which one thread is faster than several."""
_OPENMP = re.compile(r"lib[gi]?omp\d*\b")
_EXACT, _FLUSHING = 0x1F80, 0x9FC0
"""Words of MXCSR: round to nearest without traps; the same with subnormal inputs and results as 0."""


def supports_native(*needed: str) -> bool:
    """Return whether our own kernels are allowed and run: on AVX-512 and ``needed``, with torch on OpenMP."""
    is_able = {"avx512f", "avx512bw", *needed} <= features() and openmp() is not None
    return is_able and (os.environ.get(VARIABLE) or USUAL) == "own"


def threads_for(multiplications: int) -> int:
    """Return the number of threads for so much work: one where it is small, else as many as torch uses."""
    return torch.get_num_threads() if multiplications > _SINGLE_THREAD_WORK else 1


class Code:
    """The machine code of an LLVM function of 64-bit numbers; it lives as long as this object.

    It reads and writes 0 in place of subnormal numbers, which cost some processors a hundred cycles each,
    whatever the calling thread's own setting is.

    Args:
        function: is called by :attr:`run`.
        helpers: further functions of its module whose :meth:`address` is needed.
        keeps_subnormals: whether subnormal numbers are computed with instead.
    """

    def __init__(self, function: ir.Function, *helpers: ir.Function, keeps_subnormals: bool = False) -> None:
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        for entered in (function, *helpers):
            _build_entry(entered, _EXACT if keeps_subnormals else _FLUSHING)
        module = function.module
        module.triple = binding.get_process_triple()
        parsed = binding.parse_assembly(str(module))
        parsed.verify()
        machine = binding.Target.from_triple(module.triple).create_target_machine(
            cpu=binding.get_host_cpu_name(), features=read_features().flatten(), opt=3
        )
        passes = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(speed_level=2))
        passes.getModulePassManager().run(parsed, passes)
        self._engine = binding.create_mcjit_compiler(parsed, machine)
        self._engine.finalize_object()
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(function.args))
        self.run: Callable[..., None] = kind(self.address(function.name))

    def address(self, name: str) -> int:
        """Return the address of one of the functions that this was made from."""
        return int(self._engine.get_function_address(f"enter_{name}"))


class ParallelCode(Code):
    """The machine code of a function ``(arguments, part, parts)`` that computes one part of its outputs."""

    def __init__(self, function: ir.Function, *, keeps_subnormals: bool = False) -> None:
        parallel = openmp()
        if parallel is None:
            raise RuntimeError("expected torch to run on an OpenMP with GNU's interface, found none")
        self._parallel = parallel
        share = ir.Function(function.module, ir.FunctionType(VOID, [function.args[0].type]), "share")
        b = ir.IRBuilder(share.append_basic_block("entry"))
        part, parts = (intrinsic(b, f"omp_get_{name}", I32) for name in ("thread_num", "num_threads"))
        b.call(function, [share.args[0], b.sext(part, I64), b.sext(parts, I64)])
        b.ret_void()
        super().__init__(function, share, keeps_subnormals=keeps_subnormals)

    def __call__(self, arguments: ctypes.Array[ctypes.c_int64], threads: int) -> None:
        """Compute all parts on ``threads`` of torch's threads, from the 64-bit ``arguments``."""
        if threads == 1:
            self.run(ctypes.addressof(arguments), 0, 1)
        else:
            self._parallel(self.address("share"), ctypes.addressof(arguments), threads, 0)


def _build_entry(function: ir.Function, control: int) -> None:
    """Add ``enter_NAME``, which calls the function with ``control`` in MXCSR and restores what was there.

    LLVM takes no operation of floats for one that reads MXCSR: not inlined, none can move past the change.
    """
    function.attributes.add("noinline")
    entry = ir.Function(function.module, function.ftype, f"enter_{function.name}")
    b = ir.IRBuilder(entry.append_basic_block("entry"))
    before, own = b.alloca(I32), b.alloca(I32)
    b.store(ir.Constant(I32, control), own)
    intrinsic(b, "llvm.x86.sse.stmxcsr", VOID, before)
    intrinsic(b, "llvm.x86.sse.ldmxcsr", VOID, own)
    b.call(function, entry.args)
    intrinsic(b, "llvm.x86.sse.ldmxcsr", VOID, before)
    b.ret_void()


@cache
def openmp() -> Callable[..., None] | None:
    """Find ``GOMP_parallel(function, argument, threads, 0)`` of torch's OpenMP library; None: not there.

    Its threads are torch's own, so that the two do not compete for the processors.
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
