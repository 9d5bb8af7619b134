"""The interface of what the training loop trains: anything with weights, examples and a score.

A learner owns its model and its data; the loop owns steps, optimizer, budgets, checkpoints and resuming.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from components.training.config import TrainingConfig


class Trainable(Protocol):
    """A model with its training data: what an update needs."""

    @property
    def model(self) -> Any:
        """The torch module, on its device. Parameters that require gradients are trained and checkpointed."""

    @property
    def lengths(self) -> Sequence[int]:
        """Padded length of each training example, for batches."""

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, int]:
        """Compute the mean loss of the examples ``rows`` (a scalar with gradient), and their tokens."""


class Learner(Trainable, Protocol):
    """The same with development data, by which checkpoints are chosen, and a form to be used in."""

    @property
    def score_name(self) -> str:
        """Name of :meth:`dev_score` in the metrics: ``bleu`` is written as ``dev_bleu``."""

    def dev_loss(self) -> float:
        """Return the loss on the development set, without dropout or smoothing."""

    def dev_score(self) -> float:
        """Return the development set's score that decides between checkpoints; higher is better."""

    def export(self, folder: Path) -> None:
        """Write the model as it stands to ``folder``, in the form in which it is used afterwards."""


MakeLearner = Callable[[TrainingConfig, Path, torch.device], Learner]
"""(settings, the training's folder, device) -> its learner."""
