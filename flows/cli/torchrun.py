"""The command under torchrun: process 0 is the run, the others compute their share of its trainings.

``torchrun --nproc-per-node N --no-python antiphon run ...`` starts N processes with the same arguments.
Process 0 alone has the flow, the store and the report; the others wait for trainings until it leaves.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

STARTED_BY = "TORCHELASTIC_RUN_ID"
"""Variable that torchrun sets."""


def is_one_of_several() -> bool:
    """Whether torchrun started this process and others."""
    return STARTED_BY in os.environ and int(os.environ["WORLD_SIZE"]) > 1


def lead_or_follow(run: Callable[[], object]) -> object:
    """Join the processes; in process 0 run, in the others compute what it trains.

    Raises:
        AntiphonError: what the run raises, or why this process cannot join in a training.
    """
    from components.training.processes import join_processes, leave_processes

    try:
        processes = join_processes()
        del os.environ[STARTED_BY]  # a command that this one starts is none of them
        if processes.is_main:
            return run()
        _follow()
        return 0
    finally:
        leave_processes()


def _follow() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # process 0 is interrupted, leaves, and so ends this one
    from components.nodes.table import KINDS
    from components.training.processes import ProcessLostError
    from components.training.trainer import train
    from components.training.training_order import receive_order

    with suppress(ProcessLostError):  # the process that ended says why
        while True:
            order = receive_order()
            kind: Any = KINDS[order.kind]
            settings = kind.settings.model_validate(order.settings)
            make_learner = partial(kind.learner(settings), store=order.store)
            train(settings, Path(order.out), make_learner=make_learner)
