"""A guard against long trainings by mere defaults: what a flow would do, and how long it would take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from components.errors import ConfigError
from components.experts.config import ExpertsConfig
from components.stacking.config import needs_training
from components.training.config import TrainingConfig

SECONDS_PER_UPDATE = 0.6
"""Seconds of one CPU core for an update of the packaged translator's size (6M parameters, 2,500 pieces)."""
SECONDS_PER_SENTENCE = 0.014
"""The same for a sentence that it translates, with a beam of 5."""
SECONDS_PER_RECORDING = 0.5
"""The same for a short recording that Whisper base recognizes and encodes."""
MACHINE_FIELDS = {"seed", "device", "threads", "num_microbatches", "compile"}
"""Fields of a training that say nothing about what is trained."""


def require_intent(flow: str, parameters: Any) -> None:
    """Refuse a long training on which nothing was set.

    Raises:
        ConfigError: what the flow would do, and how long it would take.
    """
    description = LONG_TRAININGS[flow](parameters) if flow in LONG_TRAININGS else None
    if description is not None:
        raise ConfigError(
            f"{flow}: nothing of its training is set, so it would {description} on one CPU core; set what "
            f"you want (antiphon run {flow} --parameters), or add --yes"
        )


def _describe_training(parameters: TrainingConfig) -> str | None:
    if parameters.model_fields_set & (ExpertsConfig.model_fields.keys() - MACHINE_FIELDS):
        return None
    return _describe_updates(parameters, 0.0)


def _describe_distillation(parameters: Any) -> str | None:
    if parameters.model_fields_set & {"teacher", "student", "level"}:
        return None
    student = parameters.student
    return f"translate {student.data} with {parameters.teacher.model}, " + _describe_updates(
        student, 29_000 * SECONDS_PER_SENTENCE
    )


def _describe_stack_training(parameters: Any) -> str | None:
    learn = parameters.learn
    if not needs_training(parameters.stack) or "learn" in parameters.model_fields_set:
        return None
    seconds = (learn.limit or 29_000) * SECONDS_PER_RECORDING + learn.steps * SECONDS_PER_UPDATE
    what = (
        f"make a model for {parameters.stack.method} from {learn.limit or 'all'} utterances of {learn.data}"
    )
    return (
        f"{what} with {learn.steps:,} updates first (or name one in stack.model), {_format_minutes(seconds)}"
    )


def _describe_updates(config: TrainingConfig, before: float) -> str:
    seconds = before + config.max_steps * SECONDS_PER_UPDATE * config.batch_tokens / 2500
    return f"learn from {config.data} for up to {config.max_steps:,} updates, {_format_minutes(seconds)}"


def _format_minutes(seconds: float) -> str:
    return f"roughly {max(1, round(seconds / 60))} minutes"


LONG_TRAININGS: dict[str, Callable[[Any], str | None]] = {
    "train": _describe_training,
    "experts": _describe_training,
    "distill": _describe_distillation,
    "stack": _describe_stack_training,
}
"""Flow -> function that describes the training it would run by mere defaults; None if something was set."""
