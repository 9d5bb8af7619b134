"""The processes that train together: who is who, what they tell each other, and sums of their gradients.

Process 0 is the main one: it alone decides, scores and writes; the others compute their parts of each batch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from components.device import pick_device
from components.errors import ConfigError, ModelError, to_one_line

PATIENCE = timedelta(days=30)
"""How long a process waits for the main one, which may compute other stages. Its end is seen at once."""
T = TypeVar("T")


class ProcessLostError(ModelError):
    """Another process of the training has ended."""


@dataclass(frozen=True)
class Processes:
    """The processes of a training, as one of them sees them.

    Attributes:
        rank: number of this process.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process decides, scores and writes."""
        return self.rank == 0

    def parts(self, count: int) -> range:
        """Return which of a batch's ``count`` parts this process computes."""
        return range(count) if self.size == 1 else range(self.rank, self.rank + 1)

    def pick_device(self, name: str) -> torch.device:
        """Return the device of a name; of several processes on cards each has its own."""
        device = pick_device(name)
        if self.size == 1 or device.type != "cuda":
            return device
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", self.rank)))

    def require_size(self, parts: int) -> None:
        """Refuse processes that are not one for each part of a batch.

        Raises:
            ConfigError: how many there are.
        """
        if self.size not in {1, parts}:
            raise ConfigError(
                f"data_parallel_size: expected {self.size}, as there are {self.size} processes, found "
                f"{parts}; set data_parallel_size={self.size}, or start {parts}"
            )

    def require_same(self, make: Callable[[], str]) -> None:
        """Refuse processes that do not begin with the same.

        Args:
            make: gives a digest of what this process begins with.

        Raises:
            ModelError: this process differs from the main one.
        """
        if self.size == 1:
            return
        own = make()
        if self.share(lambda: own) != own:
            raise ModelError(
                f"process {self.rank} of {self.size} that train together: expected the weights and data "
                "of process 0, found others; give all processes the same files and the same seed"
            )

    def share(self, make: Callable[[], T]) -> T:
        """Return what the main process makes, in every process.

        Args:
            make: gives a value that JSON can hold; called in the main process only.

        Raises:
            ProcessLostError: another process has ended.
        """
        if self.size == 1:
            return make()
        content = bytearray(json.dumps(make()).encode() if self.is_main else b"")
        with _explain_loss(self):
            length = torch.tensor(len(content))
            dist.broadcast(length, 0)
            sent = (
                torch.frombuffer(content, dtype=torch.uint8)
                if self.is_main
                else torch.empty(int(length), dtype=torch.uint8)
            )
            dist.broadcast(sent, 0)
        value: T = json.loads(bytes(sent.tolist()))
        return value

    def main_first(self, make: Callable[[], T]) -> T:
        """Make something in every process, in the main one before the others."""
        made = make() if self.is_main else None
        self.share(lambda: None)
        return made if made is not None else make()

    def sum_in_order(self, tensors: Sequence[Tensor]) -> None:
        """Set tensors, of the same shapes in every process, to their sums over the processes.

        They are added in the order of the processes, as one process adds one part after the other: an
        all-reduce adds in an order of its own. Each process adds one slice, so that as much is sent as
        by a ring (twice the size of the tensors).

        Raises:
            ProcessLostError: another process has ended.
        """
        if self.size == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        flat = torch.nn.functional.pad(flat, (0, -len(flat) % self.size))
        slices = torch.empty_like(flat)
        with _explain_loss(self):
            dist.all_to_all_single(slices, flat)
            first, *others = slices.view(self.size, -1)
            for other in others:
                first += other
            dist.all_gather(list(flat.view(self.size, -1)), first)
        sizes = [tensor.numel() for tensor in tensors]
        for tensor, total in zip(tensors, flat[: sum(sizes)].split(sizes), strict=True):
            tensor.copy_(total.view_as(tensor))


ALONE = Processes()


def joined_processes() -> Processes:
    """Return the processes of torch's default group; only this one where there is none."""
    if not (dist.is_available() and dist.is_initialized()):
        return ALONE
    return Processes(dist.get_rank(), dist.get_world_size())


def join_processes() -> Processes:
    """Join the processes that torchrun started, by the environment that it set; returns when all have."""
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)
    return joined_processes()


def leave_processes() -> None:
    """Leave the others, who notice it. What is trained afterwards is trained by this process alone."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


@contextmanager
def _explain_loss(processes: Processes) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise ProcessLostError(
            f"process {processes.rank} of {processes.size} that train together: expected an answer of the "
            f"others, found that one has ended ({to_one_line(error, 120)}); see what it said, and run again "
            "to go on from the last checkpoint"
        ) from error
