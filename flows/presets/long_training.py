"""What a preset would train by mere defaults, and how long that would take; its file names the function."""

from __future__ import annotations

from typing import Any

from components.experts.config import ExpertsConfig
from components.stacking.kinds.learning import needs_training
from components.training.config import TrainingConfig

SECONDS_PER_UPDATE = 0.6
"""Seconds of one CPU core for an update of the packaged translator's size (6M parameters, 2,500 pieces)."""
SECONDS_PER_SENTENCE = 0.014
"""The same for a sentence that it translates, with a beam of 5."""
SECONDS_PER_RECORDING = 0.5
"""The same for a short recording that Whisper base recognizes and encodes."""
MACHINE_FIELDS = {"seed", "device", "threads", "num_microbatches", "compile"}
"""Fields of a training that say nothing about what is trained."""


def describe_training(parameters: TrainingConfig) -> str | None:
    """Return what a training would do on which nothing is set; None if something is."""
    if parameters.model_fields_set & (ExpertsConfig.model_fields.keys() - MACHINE_FIELDS):
        return None
    return _describe_updates(parameters, 0.0)


def describe_distillation(parameters: Any) -> str | None:
    """Return what a distillation would do on which nothing is set; None if something is."""
    if parameters.model_fields_set & {"teacher", "student", "level"}:
        return None
    student = parameters.student
    return f"translate {student.data} with {parameters.teacher.model}, " + _describe_updates(
        student, 29_000 * SECONDS_PER_SENTENCE
    )


def describe_stack_training(parameters: Any) -> str | None:
    """Return what a stack would train first on which nothing is set; None if something is, or no training."""
    learn = parameters.learn
    if not needs_training(parameters.stack.model_dump()) or "learn" in parameters.model_fields_set:
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
