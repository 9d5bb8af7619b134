"""A device that says ``cuda:0`` and computes on the CPU: what CUDA would refuse raises, waits are counted.

Tests run a component on it without a card. Its tensors hold real values, so whole searches run and their
results are compared with the CPU's. Raised are, as CUDA does: tensors of two devices in one operation, an
index on the device into a tensor of the CPU, ``numpy()`` of what is on the device. Passed are, as CUDA does:
CPU tensors without dimensions, an index on the CPU into a tensor of the device, copies. Forward passes only:
a build of torch without CUDA cannot run autograd for it.
"""

from __future__ import annotations

import ctypes
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from components.kernels import triton_ready

DEVICE = torch.device("cuda:0")
ROOT = Path(__file__).resolve().parents[1]
_OURS = ("components", "tasks", "flows", "reports")
_COPIES = {"_to_copy", "copy_", "copy"}
_INDEXED = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"}
_WAITING = {
    *("_local_scalar_dense", "equal", "is_nonzero", "nonzero", "masked_select", "bincount"),
    *("_unique2", "unique_dim", "unique_consecutive"),
}
"""Operations whose result the host waits for."""
_FREE = {
    *("view", "_unsafe_view", "_reshape_alias", "as_strided", "transpose", "t", "permute", "expand", "alias"),
    *("detach", "slice", "select", "unsqueeze", "squeeze", "unbind", "split", "split_with_sizes", "unfold"),
    *("diagonal", "empty", "new_empty", "empty_like", "empty_strided", "lift_fresh", "resize_", "set_"),
}
"""Operations without a kernel: views, and memory that is not written."""


class StrictDeviceError(RuntimeError):
    """What CUDA would have refused."""


class StrictTensor(Tensor):
    """A tensor on :data:`DEVICE` whose values are ``values``, a tensor of the CPU."""

    values: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> StrictTensor:
        tensor_copy: StrictTensor = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            values.shape,
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=DEVICE,
        )
        tensor_copy.values = values
        return tensor_copy

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise StrictDeviceError(f"{func}: used outside of the strict device")

    def __repr__(self, **_: Any) -> str:
        return f"StrictTensor({self.values!r})"


class Counts(Counter[tuple[str, str, str]]):
    """How often what happened: (kind, operation, file:line), kind one of launch, sync and upload."""

    def total(self, kind: str) -> int:  # type: ignore[override]
        """All of one kind."""
        return sum(number for (result, _, _), number in self.items() if result == kind)


_KERNELS = {"mix_linearly": 2}
"""Operators of our own that start more than one kernel."""


class StrictDevice(TorchDispatchMode):
    """While it is on, tensors may be made on, moved to and computed on :data:`DEVICE`."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = Counts()
        self._bindings = _Bindings(self)

    def __enter__(self) -> StrictDevice:
        self._lifts = torch._C._only_lift_cpu_tensors()  # lists become tensors of the CPU first, then move
        torch._C._set_only_lift_cpu_tensors(True)
        self._bindings.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._bindings.__exit__(*error)
        torch._C._set_only_lift_cpu_tensors(self._lifts)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name.split("::")[1]
        leaves = [*_leaves_of(args), *kwargs.values()]
        strict = [leaf for leaf in leaves if isinstance(leaf, StrictTensor)]
        target = kwargs.get("device")
        kwargs.pop("pin_memory", None)
        if not strict and (target is None or target.type == "cpu"):
            return func(*args, **kwargs)
        _refuse(func, name, args, leaves)
        self._count(name, args, kwargs, bool(strict))
        settings = {key: _value_of(value) for key, value in kwargs.items()}
        result = func(*map(_value_of, args), **settings)
        if target is not None and target.type == "cpu":
            return result
        if name == "copy_" and not isinstance(args[0], StrictTensor):
            return args[0]
        known = {id(tensor.values): tensor for tensor in strict}  # in place: the same tensor again
        if isinstance(result, Tensor):
            return known[id(result)] if id(result) in known else StrictTensor(result)
        if isinstance(result, (tuple, list)):
            return type(result)(StrictTensor(part) if isinstance(part, Tensor) else part for part in result)
        return result

    def note(self, kind: str, name: str) -> None:
        """Count one event at the line of the project, else of the library, that asked for it."""
        self.counts[kind, name, _line()] += _KERNELS.get(name, 1) if kind == "launch" else 1

    def _count(self, name: str, args: Any, kwargs: Any, computes: bool) -> None:
        if name in _COPIES:
            self._count_copy(name, args, kwargs.get("device"))
        elif not computes and name not in _FREE:
            self.note("launch", name)
        elif computes:
            masked = name in _INDEXED and any(i is not None and i.dtype == torch.bool for i in args[1])
            if name in _WAITING or (name == "repeat_interleave" and kwargs.get("output_size") is None):
                self.note("sync", name)
            elif masked:  # where the mask is true has to be known
                self.note("sync", f"{name} by a mask")
            if name == "_grouped_mm" and args[0].dtype != torch.bfloat16:
                self.note("sync", "_grouped_mm")  # where the blocks end is read on the host
            if name in _INDEXED and any(i is not None and not isinstance(i, StrictTensor) for i in args[1]):
                self.note("upload", name)
            if name not in _FREE and name != "_local_scalar_dense":
                self.note("launch", name)

    def _count_copy(self, name: str, args: Any, target: torch.device | None) -> None:
        source = isinstance(args[1 if name == "copy_" else 0], StrictTensor)
        if name == "copy_":
            arrives = isinstance(args[0], StrictTensor)
        else:
            arrives = source if target is None else target.type == "cuda"
        kind = {(True, True): "launch", (True, False): "sync", (False, True): "upload"}.get((source, arrives))
        if kind is not None:
            self.note(kind, name)


def _leaves_of(args: Sequence[Any]) -> Iterator[Any]:
    """The arguments of an operation, which nests no deeper than a list of tensors."""
    for value in args:
        if isinstance(value, (list, tuple)):
            yield from value
        else:
            yield value


def _value_of(value: Any) -> Any:
    """An argument with values of the CPU in place of those of the device."""
    if isinstance(value, StrictTensor):
        return value.values
    if isinstance(value, (list, tuple)):
        return [_value_of(part) for part in value]
    return torch.device("cpu") if isinstance(value, torch.device) else value


def _refuse(func: Any, name: str, args: Any, leaves: list[Any]) -> None:
    """Raise where CUDA would: operands on two devices."""
    others = [x for x in leaves if isinstance(x, Tensor) and not isinstance(x, StrictTensor)]
    if not others or name in _COPIES or not any(isinstance(x, StrictTensor) for x in leaves):
        return
    if name in _INDEXED:
        onto = isinstance(args[0], StrictTensor)
        if not onto and any(isinstance(index, StrictTensor) for index in args[1]):
            raise StrictDeviceError(f"{func}: indices on {DEVICE} into a tensor of the CPU, at {_line()}")
        written = args[2] if len(args) > 2 else None
        if isinstance(written, Tensor) and written.dim() and isinstance(written, StrictTensor) != onto:
            raise StrictDeviceError(f"{func}: values of another device than the tensor, at {_line()}")
    elif any(other.dim() for other in others):
        shapes = [tuple(other.shape) for other in others]
        raise StrictDeviceError(f"{func}: {DEVICE} with tensors of the CPU {shapes}, at {_line()}")


class _Bindings(TorchFunctionMode):
    """What torch's Python functions do without a call of an operation."""

    def __init__(self, device: StrictDevice) -> None:
        super().__init__()
        self._device = device

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is Tensor.to or "device" in kwargs:
            args, kwargs = pytree.tree_map_only((torch.device, str), _number_wheels, (args, kwargs))
        if args and isinstance(args[0], StrictTensor):
            if func is Tensor.new_tensor:
                return torch.tensor(*args[1:], device=DEVICE, **kwargs)
            if func is Tensor.tolist:
                self._device.note("sync", "tolist")
                return args[0].values.tolist()
            if func in (Tensor.numpy, Tensor.__array__):
                raise StrictDeviceError(f"numpy() of a tensor on {DEVICE}, at {_line()}")
        return func(*args, **kwargs)


def _number_wheels(value: torch.device | str) -> torch.device | str:
    """``cuda`` with its number, which torch would ask the guard for."""
    return DEVICE if value in ("cuda", torch.device("cuda")) else value


@cache
def _place(file: str) -> tuple[bool, str]:
    """Whether a source file is the project's, and its name in a count; torch's and this one have none."""
    path = Path(file)
    if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in _OURS:
        return True, str(path.relative_to(ROOT))
    return False, "" if "torch" in path.parts or file == __file__ else "/".join(path.parts[-2:])


def _line() -> str:
    """The innermost line of the project, else the innermost of whoever called torch, as file:line."""
    frame: FrameType | None = sys._getframe(1)
    outside = ""
    while frame is not None:
        of_project, name = _place(frame.f_code.co_filename)
        if of_project:
            return f"{name}:{frame.f_lineno}"
        outside = outside or (name and f"{name}:{frame.f_lineno}")
        frame = frame.f_back
    return outside


def on_device(value: Any) -> Any:
    """The tensors within ``value`` on the device; a module's parameters and buffers in place."""
    if isinstance(value, nn.Module):
        moved: dict[int, Tensor] = {}
        for module in value.modules():
            for store in (module._parameters, module._buffers):
                for name, tensor in store.items():
                    if tensor is not None and not tensor.is_sparse:
                        store[name] = moved.setdefault(id(tensor), _moved(tensor))  # type: ignore[assignment]
        return value
    return pytree.tree_map_only(Tensor, _moved, value)


def _moved(tensor: Tensor) -> Tensor:
    tensor_copy = StrictTensor(tensor.detach())
    return nn.Parameter(tensor_copy, requires_grad=False) if isinstance(tensor, nn.Parameter) else tensor_copy


def on_card(value: Any) -> Any:
    """As :func:`on_device`, on a real card; skips the test where there is none."""
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    if isinstance(value, nn.Module):
        return value.to("cuda")
    return pytree.tree_map_only(Tensor, lambda tensor: tensor.to("cuda"), value)


def on_cpu(value: Any) -> Any:
    """``value`` with the values of its tensors, to be compared."""
    value = pytree.tree_map_only(StrictTensor, lambda tensor: tensor.values, value)
    return pytree.tree_map_only(Tensor, Tensor.cpu, value)


@contextmanager
def strict_device(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictDevice]:
    """The device, with a ``torch.cuda`` that says it is there."""
    _let_guards_pass()
    answers: dict[str, Any] = {
        "_lazy_init": None,
        "is_available": True,
        "device_count": 1,
        "current_device": 0,
        "get_device_capability": (9, 0),
        "synchronize": None,
        "get_device_properties": SimpleNamespace(total_memory=80 << 30),
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, _answer=answer, **__: _answer)
    # Operators that have a kernel in Triton compute as they do on the CPU.
    monkeypatch.setattr(triton_ready, "_runs", lambda: True)
    # Views of a wrapper cannot be inference tensors.
    monkeypatch.setattr(torch._C, "_InferenceMode", lambda mode: torch.no_grad())
    with torch.no_grad(), StrictDevice() as device:
        yield device


def _let_guards_pass() -> None:
    """Give CUDA a device guard that does nothing, the CPU's, where this build of torch has none.

    Where it has one and there is no card, torch does so itself, for its fake tensors.
    """
    torch._C._ensureCUDADeviceGuardSet()
    library = ctypes.CDLL(str(next((Path(torch.__file__).parent / "lib").glob("libc10.*"))))
    guards = (ctypes.c_void_p * 2).in_dll(library, "_ZN3c104impl26device_guard_impl_registryE")
    guards[1] = guards[1] or guards[0]
