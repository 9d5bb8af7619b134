"""Settings of the training of CTC heads. Flat, described, bounded."""

from __future__ import annotations

from pydantic import Field, field_validator

from components.stage_settings import Seed, Settings


class CtcTrainingConfig(Settings):
    """Settings of the training of a CTC head on the states of a frozen speech encoder."""

    hidden: int = Field(256, ge=8, le=4096, description="width between the layers of the head")
    kernel: int = Field(5, ge=1, le=63, description="frames (20 ms) that its convolution sees; odd")
    seed: Seed = Field(1, ge=0, lt=2**31, description="of initial weights, dropout and the order of the data")
    steps: int = Field(1500, ge=1, description="optimizer steps")
    learning_rate: float = Field(2e-3, gt=0.0, le=1.0, description="peak learning rate of AdamW")
    warmup_steps: int = Field(100, ge=1, description="steps of linear warm-up")
    batch_frames: int = Field(6000, ge=16, description="padded frames (20 ms) per batch at most")
    eval_every: int = Field(100, ge=1, description="steps between evaluations on the development data")
    patience: int = Field(8, ge=1, description="evaluations without a better word accuracy before it stops")
    dropout: float = Field(0.1, ge=0.0, lt=1.0, description="dropout in the head")
    threads: int = Field(1, ge=1, le=256, description="CPU threads; their number decides the last bits")

    @field_validator("kernel")
    @classmethod
    def _has_a_middle(cls, frames: int) -> int:
        if frames % 2 == 0:
            raise ValueError(f"expected an odd number of frames, found {frames}")
        return frames
