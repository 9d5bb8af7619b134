"""What is minimised, and how fast: label-smoothed cross-entropy and learning-rate schedules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from components.training.batches import Batch
from components.training.config import TrainingConfig


def target_logits(model: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """Logits (N, V), float32, at the N real target positions of a batch, and their labels (N,).

    Padding does not reach the output layer: it costs nothing there.
    """
    hidden = model.model(
        input_ids=batch.source, attention_mask=batch.mask, decoder_input_ids=batch.inputs, use_cache=False
    ).last_hidden_state
    real = batch.labels != -100
    return model.lm_head(hidden[real]).float(), batch.labels[real]


def smoothed_cross_entropy(model: Any, batch: Batch, smoothing: float) -> tuple[Tensor, int]:
    """Mean label-smoothed cross-entropy (nats per target token, float32 scalar), and the token count.

    Smoothing spreads that much probability over the whole vocabulary (Szegedy et al., 2016).
    """
    scores, labels = target_logits(model, batch)
    return functional.cross_entropy(scores, labels, label_smoothing=smoothing), labels.numel()


def _inverse_sqrt(step: int, config: TrainingConfig) -> float:
    return float((config.warmup_steps / step) ** 0.5)


def _linear(step: int, config: TrainingConfig) -> float:
    steps_left = config.max_steps - step
    return max(0.0, steps_left / max(1, config.max_steps - config.warmup_steps))


SCHEDULES: dict[str, Callable[[int, TrainingConfig], float]] = {
    "inverse_sqrt": _inverse_sqrt,
    "linear": _linear,
}
"""Decay after the warm-up: factor of the peak learning rate at a step."""


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Learning rate of a step, the first being 1: linear warm-up, then a row of SCHEDULES."""
    if step <= config.warmup_steps:
        return config.learning_rate * step / config.warmup_steps
    return config.learning_rate * SCHEDULES[config.schedule](step, config)


def autocast(device: torch.device, dtype: str) -> torch.autocast:
    """Matrix products in bfloat16 where asked; weights and optimiser stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == "bfloat16")
