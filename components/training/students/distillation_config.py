"""Settings of the training of a student."""

from __future__ import annotations

from pydantic import Field

from components.stage_settings import ModelRef
from components.training.config import TrainingConfig


class DistillationConfig(TrainingConfig):
    """Settings of a student's training with word-level distillation; without teachers, a plain training."""

    teachers: tuple[ModelRef, ...] = Field(
        (),
        title="Teachers",
        description="models whose mixture is imitated word by word; they share the student's vocabulary",
    )
    teacher_weights: tuple[float, ...] = Field(
        (), title="Weights", description="share of each teacher in the mixture; empty = equal shares"
    )
    temperature: float = Field(
        1.0, title="Temperature", gt=0.0, le=100.0, description="flattens teacher and student alike"
    )
    kd_ratio: float = Field(
        0.5,
        title="Word-level share",
        ge=0.0,
        le=1.0,
        description="share of the loss that imitates the teachers; the rest is cross-entropy",
    )
    init_layers_from: ModelRef | None = Field(
        None,
        title="Layers of",
        description="model whose evenly spaced layers the student begins with; empty = random weights",
    )
