"""The processes that train together: who is who, and what they tell each other.

Process 0 is the main one: it alone decides, scores and writes; the others compute their share of each batch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist

from components.compute.device import pick_device
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

    @property
    def local_size(self) -> int:
        """How many of them are on this machine."""
        return int(os.environ.get("LOCAL_WORLD_SIZE", self.size)) if self.size > 1 else 1

    def share_of(self, count: int) -> range:
        """Return which of ``count`` microbatches this process computes."""
        return range(self.rank, count, self.size)

    def pick_device(self, name: str) -> torch.device:
        """Return the device of a name; of several processes on cards each has its own.

        Raises:
            ConfigError: the name is unknown or that of one card for all, or this machine has fewer cards.
        """
        device = pick_device(name)
        if self.size == 1 or device.type != "cuda":
            return device
        index = (os.environ.get("ANTIPHON_DEVICE", "") if name == "auto" else name).partition(":")[2]
        if index:
            raise ConfigError(
                f"device: expected cuda or auto, as each of {self.size} processes takes a card of its own, "
                f"found cuda:{index}; CUDA_VISIBLE_DEVICES says which cards there are"
            )
        pick_device(f"cuda:{self.local_size - 1}")  # refused where there is none
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", self.rank)))

    def require_microbatches(self, count: int) -> None:
        """Refuse processes that would have nothing to compute.

        Raises:
            ConfigError: how many there are.
        """
        if self.size > count:
            raise ConfigError(
                f"num_microbatches: expected at least {self.size}, one for each process, found {count}; "
                f"set num_microbatches={self.size}, or start torchrun with --nproc-per-node {count}"
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
        with explain_loss(self):
            length = torch.tensor(len(content))
            dist.broadcast(length, 0)
            sent = (
                torch.frombuffer(content, dtype=torch.uint8)
                if self.is_main
                else torch.empty(int(length), dtype=torch.uint8)
            )
            dist.broadcast(sent, 0)
        value: T = json.loads(sent.numpy().tobytes())
        return value

    def main_first(self, make: Callable[[], T]) -> T:
        """Make something in every process, in the main one before the others."""
        made = make() if self.is_main else None
        self.share(lambda: None)
        return made if made is not None else make()


ALONE = Processes()


def joined_processes() -> Processes:
    """Return the processes of torch's default group; only this one where there is none."""
    if not (dist.is_available() and dist.is_initialized()):
        return ALONE
    return Processes(dist.get_rank(), dist.get_world_size())


def join_processes() -> Processes:
    """Join the processes that torchrun started, by the environment that it set; returns when all have."""
    backend, local_rank = "gloo", int(os.environ["LOCAL_RANK"])
    if torch.cuda.is_available():
        backend = "cpu:gloo,cuda:nccl"
        if local_rank < torch.cuda.device_count():  # else a training on cards is refused
            torch.cuda.set_device(local_rank)
    dist.init_process_group(backend, timeout=PATIENCE)
    wait_for_all()
    return joined_processes()


def wait_for_all() -> None:
    """Return when all processes have joined; one that left before would end the joining of the others."""
    dist.all_reduce(torch.zeros(1))


def leave_processes() -> None:
    """Leave the others, who notice it. What is trained afterwards is trained by this process alone."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


@contextmanager
def explain_loss(processes: Processes) -> Iterator[None]:
    """Turn an error of torch's communication into one line.

    Raises:
        ProcessLostError: there was one.
    """
    try:
        yield
    except RuntimeError as error:
        raise ProcessLostError(
            f"process {processes.rank} of {processes.size} that train together: expected an answer of the "
            f"others, found that one has ended ({to_one_line(error, 120)}); see what it said, and run again "
            "to go on from the last checkpoint"
        ) from error
