"""Locks of devices: one model computes at a time in a process, and on each GPU among all processes."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import RLock

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists

from components.device import pick_device

_PROCESS_LOCK = (
    RLock()
)  # here, where tasks find it by name: a task that refers to a lock cannot be sent to a cluster
_LEASE_SECONDS = 60.0  # seconds after which the slot of a process that died is free again


@contextmanager
def lock_device(device: str) -> Iterator[None]:
    """Compute alone in this process, and hold the device's GPU while the block runs.

    A GPU's lock is a global concurrency limit of the Prefect server, so all processes that use the server see
    it; it is created when first asked for, and shown in the UI under Concurrency. Other devices have none.
    """
    with _PROCESS_LOCK:
        torch_device = pick_device(device)
        if torch_device.type != "cuda":
            yield
            return
        name = lock_name(torch_device.index or 0)
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
    """Return the name of a GPU's lock.

    It names the card of the host: a worker with ``CUDA_VISIBLE_DEVICES=3`` calls card 3 cuda:0.
    """
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    card = visible[index] if index < len(visible) else str(index)
    return f"antiphon-{socket.gethostname()}-gpu-{card}"
