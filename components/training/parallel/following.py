"""What the further processes of a run do: they wait for what the main one trains, and compute their share."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from components.nodes.kind import KINDS
from components.training.examples.training_order import receive_order
from components.training.loop.trainer import train
from components.training.parallel.processes import ProcessLostError, join_processes, leave_processes

join, leave = join_processes, leave_processes


def follow() -> None:
    """Compute the share of this process in every training of the main one, until that leaves."""
    with suppress(ProcessLostError):  # the process that ended says why
        while True:
            order = receive_order()
            kind: Any = KINDS[order.kind]
            settings = kind.settings.model_validate(order.settings)
            make_learner = partial(kind.learner(settings), store=order.store)
            train(settings, Path(order.out), make_learner=make_learner)
