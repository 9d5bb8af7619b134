"""Settings of fine-tuning, which may train an adapter instead of all weights."""

from __future__ import annotations

from pydantic import Field
from typing_extensions import override

from components.stage_settings import Settings
from components.training.config import TrainingConfig


class LoraSettings(Settings):
    """Low-rank adaptation (Hu et al. 2022): W + alpha / rank * B A, of which only A and B are trained."""

    rank: int = Field(8, ge=1, le=1024, description="rank of B A")
    alpha: int = Field(16, ge=1, le=4096, description="the update is scaled by alpha / rank")
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="dropout before A")
    target_modules: tuple[str, ...] | str = Field(
        ("q_proj", "v_proj"),
        description="ends of the names of the linear layers that are adapted, or a regular expression of "
        "whole names; all-linear = all but the output layer",
    )


class FineTuningConfig(TrainingConfig):
    """Settings of a training that may train an adapter of its initial model instead of all weights."""

    lora: LoraSettings | None = Field(
        None,
        title="LoRA",
        description="train low-rank matrices of init_from and write them as a PEFT folder: {rank, alpha, "
        "dropout, target_modules}, {} for the defaults; empty = all weights; needs the extra adapters",
    )

    @property
    @override
    def may_train_positions(self) -> bool:
        """Without an adapter, which leaves them as they are."""
        return self.lora is None and super().may_train_positions
