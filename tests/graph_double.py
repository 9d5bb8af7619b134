"""A CUDA graph without a card: records the operations of a step with their tensors, and repeats them.

As with CUDA nothing of Python runs in a replay, and recording changes nothing. A replay reads and writes the
very tensors of the recording: what a step has put into other tensors, or into numbers of the host, since then
it does not see. So a step that rebinds a buffer instead of writing to it gives something else when replayed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from components.decoding.accelerator.fixed_shapes import static_steps, step_graph
from components.ensembling.token_level import combiners


def tensors_of(value: Any) -> Iterator[Tensor]:
    """The tensors among an operation's arguments or results."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from tensors_of(part)


def address(tensor: Tensor) -> int:
    """Of the memory that a tensor is a view of."""
    return tensor.untyped_storage().data_ptr()


class Recording(TorchDispatchMode):
    """Runs operations, notes them, and at the end puts back what was there before they began."""

    def __init__(self) -> None:
        super().__init__()
        self._operations: list[tuple[Any, Any, Any, list[Tensor]]] = []
        self._made: dict[int, Tensor] = {}  # kept alive, so that no address is used twice
        self._before: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        inputs = [*tensors_of(args), *tensors_of(list(kwargs.values()))]
        if func._schema.is_mutable:
            for tensor in inputs:
                if address(tensor) not in self._made and address(tensor) not in self._before:
                    whole = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage())
                    self._before[address(tensor)] = (whole, whole.clone())
        result = func(*args, **kwargs)
        outputs = list(tensors_of(result))
        known = {address(tensor) for tensor in inputs}
        if func._schema.is_mutable:
            self._operations.append((func, args, kwargs, []))
        elif any(address(output) not in known for output in outputs):  # else a view
            self._operations.append((func, args, kwargs, outputs))
            self._made |= {address(output): output for output in outputs}
        return result

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for whole, before in self._before.values():
            whole.copy_(before)

    def replay(self) -> None:
        """Repeat the operations on the tensors of the recording."""
        for func, args, kwargs, outputs in self._operations:
            result = func(*args, **kwargs)
            for output, new in zip(outputs, tensors_of(result), strict=False):
                output.copy_(new)


class GraphDouble:
    """In the place of :class:`torch.cuda.CUDAGraph`."""

    records = replays = 0

    def __init__(self) -> None:
        self.recording = Recording()

    def replay(self) -> None:
        GraphDouble.replays += 1
        self.recording.replay()


@contextmanager
def graph_double(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[GraphDouble]]:
    """A ``torch.cuda`` that records on the CPU, and searches on the CPU that have their steps recorded."""
    stream = SimpleNamespace(wait_stream=lambda other: None)

    @contextmanager
    def graph(recorded: GraphDouble, pool: object, stream: object, capture_error_mode: str) -> Iterator[None]:
        assert pool == "the pool" and stream is not None and capture_error_mode == "thread_local"
        with recorded.recording:
            yield
        GraphDouble.records += 1

    doubles = {
        "CUDAGraph": GraphDouble,
        "graph": graph,
        "graph_pool_handle": lambda: "the pool",
        "current_stream": lambda: stream,
        "stream": nullcontext,
        "device": nullcontext,
    }
    monkeypatch.setenv("ANTIPHON_CUDA_GRAPHS", "off")  # or what a test sets later would be undone to "on"
    with monkeypatch.context() as patch:
        for name, double in doubles.items():
            patch.setattr(torch.cuda, name, double)
        patch.setattr(step_graph, "_recording_stream", lambda device: stream)
        patch.setattr(static_steps, "GRAPH_DEVICES", {"cpu", "cuda"})
        patch.setattr(step_graph, "_HAS_FAILED", threading.Event())
        patch.setattr(combiners, "_may_be_fast", lambda *_: False)  # the CPU's own kernels are not seen here
        patch.setenv("ANTIPHON_CUDA_GRAPHS", "on")
        GraphDouble.records = GraphDouble.replays = 0
        yield GraphDouble
