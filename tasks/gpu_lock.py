"""Locks of devices: on each one model computes at a time, on a GPU among all processes.

Shards on different devices of a process compute side by side. What is made whole has the process to itself:
trainings draw from generators that all of its threads share.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Condition, Lock, RLock, local

import torch
from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists

from components.compute.device import joined_processes_here, pick_device


class SharedLock:
    """Held by any number of threads that share it, or by one that excludes all others.

    Whoever wants it alone goes before those who come later to share it. A thread that holds it may enter
    again, in either way, and changes nothing by that.
    """

    def __init__(self) -> None:
        self._condition = Condition()
        self._sharing = 0
        self._is_exclusive = False
        self._waiting = 0
        self._own = local()

    @contextmanager
    def hold(self, *, alone: bool) -> Iterator[None]:
        """Hold it alone, or together with others."""
        if getattr(self._own, "inside", False):
            yield
            return
        self._acquire(alone=alone)
        self._own.inside = True
        try:
            yield
        finally:
            self._own.inside = False
            with self._condition:
                if alone:
                    self._is_exclusive = False
                else:
                    self._sharing -= 1
                self._condition.notify_all()

    def _acquire(self, *, alone: bool) -> None:
        with self._condition:
            if not alone:
                self._condition.wait_for(lambda: not (self._is_exclusive or self._waiting))
                self._sharing += 1
                return
            self._waiting += 1
            try:
                self._condition.wait_for(lambda: not (self._is_exclusive or self._sharing))
                self._is_exclusive = True
            finally:
                self._waiting -= 1
                self._condition.notify_all()


# Here, where tasks find them by name: a task that refers to a lock cannot be sent to a cluster.
_PROCESS = SharedLock()
_DEVICES: dict[str, RLock] = {}
_DEVICES_LOCK = Lock()
_LEASE_SECONDS = 60.0  # seconds after which the slot of a process that died is free again


@contextmanager
def lock_device(device: str, *, alone: bool = False) -> Iterator[None]:
    """Compute alone on a device of this process, and hold its GPU while the block runs.

    A GPU's lock is a global concurrency limit of the Prefect server, so all processes that use the server see
    it; it is created when first asked for, and shown in the UI under Concurrency. Other devices have none.
    While this waits for a card, only those who want the same card wait, too.

    Args:
        device: as it is set (auto, cpu, cuda:0 ...).
        alone: nothing else computes in this process meanwhile, on no device.
    """
    torch_device = pick_device(device)
    with ExitStack() as stack:
        with _DEVICES_LOCK:
            lock = _DEVICES.setdefault(str(torch_device), RLock())
        stack.enter_context(lock)
        if torch_device.type == "cuda":
            # Processes of a training: each on a card of its own, from the first on.
            count = joined_processes_here()
            for index in range(count) if alone and count else (torch_device.index or 0,):
                stack.enter_context(_hold_slot(lock_name(index)))
        # Last: nobody waits for a slot while he holds it.
        stack.enter_context(_PROCESS.hold(alone=alone))
        yield


@contextmanager
def _hold_slot(name: str) -> Iterator[None]:
    # Two may ask at once, and the other be first.
    with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
        client.upsert_global_concurrency_limit_by_name(name, 1)
    # The slot must be there, but a server that misses one renewal of it does not end the work.
    with concurrency(
        name,
        occupy=1,
        lease_duration=_LEASE_SECONDS,
        strict=True,
        raise_on_lease_renewal_failure=False,
    ):
        yield


def lock_name(index: int) -> str:
    """Return the name of a GPU's lock: by its UUID, which all containers and hosts of it agree on.

    A part of a card (MIG) has its own, which ``CUDA_VISIBLE_DEVICES`` gives. Where torch does not say the
    UUID, the name is that of the host and the card's number there: a worker with ``CUDA_VISIBLE_DEVICES=3``
    calls card 3 cuda:0.
    """
    uuid = getattr(torch.cuda.get_device_properties(index), "uuid", None)
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    card = visible[index] if index < len(visible) else str(index)
    if card.startswith("MIG-"):
        return f"antiphon-{card}"
    # torch's, not the variable's: Ray changes that one when a process has its card already.
    return f"antiphon-{socket.gethostname()}-gpu-{card}" if uuid is None else f"antiphon-GPU-{uuid}"
