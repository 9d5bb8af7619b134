"""Training on sentences weighted by an earlier model's loss, as in boosting (Freund and Schapire, 1997)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from components.training.config import TrainingConfig
from components.training.examples import batches
from components.training.learners.translation_learner import TranslationLearner
from components.training.loop import cross_entropy

LIGHTEST, HEAVIEST = 0.25, 4.0
"""Bounds of a sentence's weight, so that a few broken pairs do not decide."""


def weights_of(losses: list[float]) -> Tensor:
    """A weight for each sentence: its loss over the mean, within bounds, then with mean 1."""
    values = torch.tensor(losses, dtype=torch.float64)
    weights = (values / values.mean()).clamp(LIGHTEST, HEAVIEST)
    return (weights / weights.mean()).float()


def boosting_learner(weights: Tensor) -> Callable[[TrainingConfig, Path, torch.device], TranslationLearner]:
    """A maker of learners that weight the loss of training sentence n by ``weights[n]``."""

    class BoostingLearner(TranslationLearner):
        def loss(self, rows: list[int]) -> tuple[Tensor, int]:  # type: ignore[override]
            assert len(self.examples) == len(weights)
            per_token, batch = token_losses(self, rows, self.config.label_smoothing)
            real = batch.labels != -100
            spread = weights[rows].to(per_token.device)[:, None].expand_as(real)[real]
            return (spread * per_token).sum() / len(per_token), len(per_token)

    return cast("Callable[[TrainingConfig, Path, torch.device], TranslationLearner]", BoostingLearner)


def token_losses(
    learner: TranslationLearner, rows: list[int], smoothing: float
) -> tuple[Tensor, batches.Batch]:
    """Losses (N,) of the target tokens of a batch, sentence after sentence, and the batch."""
    batch = learner.batch(rows)
    logits, labels = cross_entropy.target_logits(learner.model, batch)
    return functional.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none"), batch


@torch.no_grad()
def target_losses(model: Path, config: TrainingConfig, folder: Path) -> list[Tensor]:
    """Nats (tokens,) that a model needs for each sentence of ``config``, in one pass without dropout."""
    settings = config.model_copy(update={"init_from": str(model)})
    learner = TranslationLearner(settings, folder, torch.device("cpu"))
    learner.model.eval()
    losses = [torch.empty(0)] * len(learner.examples)
    for rows in batches.plan_batches(learner.lengths, config.batch_tokens, None):
        per_token, batch = token_losses(learner, rows, 0.0)
        counts = (batch.labels != -100).sum(1).tolist()
        for row, part in zip(rows, torch.split(per_token, counts), strict=True):
            losses[row] = part
    return losses


def sentence_losses(model: Path, config: TrainingConfig, folder: Path) -> list[float]:
    """Nats a token that a model needs for each training sentence of ``config``."""
    return [round(float(losses.mean()), 4) for losses in target_losses(model, config, folder)]
