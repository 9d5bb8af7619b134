"""Counts subnormal numbers where operators and layers read and write them.

Intel's processors take a hundred cycles for an operation on one, AMD's none: on AMD this count shows what
would be slow elsewhere. What torch's operators read and write is seen, and what every module does, so what
our own kernels give to either. One thread only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules import module as modules
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

_INTEGERS = {torch.float32: torch.int32, torch.bfloat16: torch.int16}
_MAGNITUDE = {torch.float32: 0x7FFFFFFF, torch.bfloat16: 0x7FFF}
_SMALLEST_NORMAL = {torch.float32: 1 << 23, torch.bfloat16: 1 << 7}
"""By their bits: a comparison of floats takes them for 0 where they are flushed."""
_MOVES = frozenset(
    f"aten::{name}"
    for name in (
        *("empty", "new_empty", "empty_like", "empty_strided", "copy_", "clone", "cat", "stack"),
        *("index", "index_select", "index_put_", "gather", "constant_pad_nd"),
    )
)
"""Operators that compute nothing, which costs nothing either; they see memory that nobody has written yet."""


class Place(NamedTuple):
    """Where numbers were read or written: class of the innermost module, operator, and which of both."""

    module: str
    operator: str
    side: str


class Count(NamedTuple):
    """Numbers, and those of them that are subnormal."""

    numbers: int
    subnormal: int


def count_subnormals(values: Any) -> Count:
    """Count the numbers of all float32 and bfloat16 tensors in a nested structure."""
    numbers, subnormal = 0, 0
    for tensor in pytree.tree_leaves(values):
        if not isinstance(tensor, Tensor) or tensor.dtype not in _INTEGERS or tensor.is_mkldnn:
            continue
        bits = tensor.detach().view(_INTEGERS[tensor.dtype]) & _MAGNITUDE[tensor.dtype]
        numbers += tensor.numel()
        subnormal += int(((bits > 0) & (bits < _SMALLEST_NORMAL[tensor.dtype])).sum())
    return Count(numbers, subnormal)


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: dict[Place, Count] = {}
        self.stack: list[str] = ["-"]

    def add(self, operator: str, side: str, values: Any) -> None:
        place, found = Place(self.stack[-1], operator, side), count_subnormals(values)
        before = self.counts.get(place, Count(0, 0))
        self.counts[place] = Count(before.numbers + found.numbers, before.subnormal + found.subnormal)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, given = func.name().partition(".")[0], kwargs or {}
        if func.is_view or name in _MOVES:
            return func(*args, **given)
        self.add(name, "in", (args, {key: value for key, value in given.items() if key != "out"}))
        result = func(*args, **given)
        self.add(name, "out", result)
        return result

    def enter(self, module: nn.Module, inputs: Any) -> None:
        self.stack.append(type(module).__name__)
        self.add("forward", "in", inputs)

    def leave(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        self.add("forward", "out", output)
        self.stack.pop()


@contextmanager
def counted_subnormals() -> Iterator[dict[Place, Count]]:
    """Count in all that runs in the block on this thread; the counts are complete behind it."""
    counter = _Counter()
    hooks = [
        modules.register_module_forward_pre_hook(counter.enter),
        modules.register_module_forward_hook(counter.leave, always_call=True),
    ]
    try:
        with counter:
            yield counter.counts
    finally:
        for hook in hooks:
            hook.remove()
