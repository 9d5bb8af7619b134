"""What the main process of several tells the others to train."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from components.training.config import TrainingConfig
from components.training.parallel.processes import joined_processes


class TrainingOrder(NamedTuple):
    """One training of a node.

    Attributes:
        kind: name of the node's kind, which knows the learner.
        settings: of the training, as JSON holds them.
        store: URL of the store, for ``store:KEY`` models.
        out: the folder of the training, absolute.
    """

    kind: str
    settings: dict[str, Any]
    store: str | None
    out: str


def send_order(kind: str, settings: TrainingConfig, store: str | None, out: Path) -> None:
    """Tell the other processes, if there are any, what this one is about to train.

    Raises:
        ConfigError: there are more processes than microbatches.
        ProcessLostError: another process has ended.
    """
    processes = joined_processes()
    processes.require_microbatches(settings.num_microbatches)
    if processes.size > 1:
        order = TrainingOrder(kind, settings.model_dump(mode="json"), store, str(out.absolute()))
        processes.share(lambda: order)


def receive_order() -> TrainingOrder:
    """Wait for what the main process is about to train.

    Raises:
        ProcessLostError: the main process has left.
    """
    return TrainingOrder(*joined_processes().share(_refuse))


def _refuse() -> TrainingOrder:
    raise AssertionError("the main process takes no orders")
