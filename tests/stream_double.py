"""CUDA's streams without a card: operations run at once on the CPU, and what a card may not do is refused.

A stream may run an operation as soon as what it waits for is done, and in any order with what other streams
do. So an operation has to know, by waits, of what has written what it reads, and of what has read or written
what it writes (vector clocks). On a stream for which others were told to wait, nothing may happen until it
has waited for them: memory that they still read might be given out to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from components.decoding.accelerator.members import grouped_members
from tests.graph_double import address, tensors_of


class OrderError(AssertionError):
    """What a card may do in another order."""


class StreamDouble:
    """In the place of :class:`torch.cuda.Stream`: how many of each stream's operations are behind it."""

    waits = True

    def __init__(self, device: object = None) -> None:
        self.known: Counter[int] = Counter()
        self.operations = 0
        self.followers: set[StreamDouble] = set()

    def wait_stream(self, other: StreamDouble) -> None:
        """Whatever comes after this comes after what ``other`` has been given."""
        other.followers.add(self)
        self.followers.discard(other)
        if self.waits:
            self.known |= other.known
            self.known[id(other)] = other.operations


class Streams(TorchDispatchMode):
    """Checks the order of operations."""

    def __init__(self) -> None:
        super().__init__()
        self.own = self.current = StreamDouble()
        self.used: set[StreamDouble] = set()
        self._written: dict[int, tuple[StreamDouble, int]] = {}
        self._read: dict[int, dict[StreamDouble, int]] = {}
        self._alive: list[Tensor] = []  # so that no address is used twice

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        stream = self.current
        if stream.followers:
            raise OrderError(f"{func}: on a stream that has not waited for those that follow it")
        stream.operations += 1
        self.used.add(stream)
        inputs = [*tensors_of(args), *tensors_of(list(kwargs.values()))]
        result = func(*args, **kwargs)
        outputs = list(tensors_of(result))
        self._alive += [*inputs, *outputs]
        known = {address(tensor) for tensor in inputs}
        for tensor in inputs:
            self._require(func, *self._written.get(address(tensor), (stream, 0)))
            self._read.setdefault(address(tensor), {})[stream] = stream.operations
        written = [tensor for tensor in outputs if address(tensor) not in known]
        if func._schema.is_mutable:
            written += inputs
        for tensor in written:
            for reader, operation in self._read.get(address(tensor), {}).items():
                self._require(func, reader, operation)
            self._written[address(tensor)] = (stream, stream.operations)
        return result

    def _require(self, func: Any, other: StreamDouble, operation: int) -> None:
        if other is not self.current and self.current.known[id(other)] < operation:
            raise OrderError(f"{func}: what it needs is done on a stream that was not waited for")


@contextmanager
def stream_double(monkeypatch: pytest.MonkeyPatch) -> Iterator[Streams]:
    """Within the block members of ensembles run side by side on the CPU, as far as they may."""
    streams = Streams()

    @contextmanager
    def use(stream: StreamDouble) -> Iterator[None]:
        before, streams.current = streams.current, stream
        try:
            yield
        finally:
            streams.current = before

    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "current_stream", lambda device: streams.current)
        patch.setattr(torch.cuda, "stream", use)
        patch.setattr(grouped_members, "_stream", cache(lambda *_: StreamDouble()))
        patch.setattr(grouped_members, "STREAM_DEVICES", {"cpu"})
        patch.setenv("ANTIPHON_MEMBER_STREAMS", "on")
        with streams:
            yield streams
