"""Learning-rate schedules: linear warm-up, then a decay."""

from __future__ import annotations

from collections.abc import Callable

from components.training.config import TrainingConfig


def _inverse_sqrt(step: int, config: TrainingConfig) -> float:
    return float((config.warmup_steps / step) ** 0.5)


def _linear(step: int, config: TrainingConfig) -> float:
    steps_left = config.max_steps - step
    return max(0.0, steps_left / max(1, config.max_steps - config.warmup_steps))


SCHEDULES: dict[str, Callable[[int, TrainingConfig], float]] = {
    "inverse_sqrt": _inverse_sqrt,
    "linear": _linear,
}
"""Decay after the warm-up, by the names of ``lr_schedule``: factor of the peak learning rate at a step."""


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Return the learning rate of a step (the first is 1): linear warm-up, then a row of SCHEDULES."""
    if step <= config.warmup_steps:
        return config.learning_rate * step / config.warmup_steps
    return config.learning_rate * SCHEDULES[config.lr_schedule](step, config)
