"""Settings of fusing and of its training: flat, described, bounded."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from components.compute.machine import dtype_for_key
from components.refining.config import (
    ESTIMATE,
    ESTIMATE_DESCRIPTION,
    ESTIMATOR_DESCRIPTION,
    GateName,
    RoundsConfig,
    gate_version,
)
from components.stacking.config import StackTrainingConfig
from components.stage_settings import Device, ModelRef, Settings, TableOf, key_values
from components.text.text_confidence import EstimateName

VERSION = 2
"""Version of fusing: raised when the same candidates and settings give another output."""
CONSENSUS = "consensus"
"""The gate that needs no model: agreement with the other candidates."""


class FuseConfig(Settings):
    """What reads the candidates and writes the new text, and what accepts it."""

    method: Literal["prompted", "trained"] = Field(
        "prompted",
        description="prompted: a causal language model reads the numbered candidates; trained: a model of "
        "kind train_fuse",
    )
    model: ModelRef = Field(
        "packaged:qwen2.5-coder-0.5b",
        description="what writes the new text: a causal language model, or node:NAME or store:KEY of "
        "train_fuse",
    )
    candidates: int = Field(
        5,
        ge=1,
        le=32,
        description="different candidates that are read at most, the best of every input first",
    )
    gate: GateName | Literal["consensus"] = Field(
        "consensus",
        description="estimate that must rise for the new text to be accepted. consensus: mean chrF with the "
        "candidates after the first; the others are those of refine; off: every one",
    )
    gate_model: ModelRef = Field(
        "packaged:qwen2.5-coder-0.5b", description="model of the gate, as of refine; consensus needs none"
    )
    estimator: Annotated[str | None, TableOf("fit_estimator")] = Field(
        None, description=ESTIMATOR_DESCRIPTION
    )
    estimate: EstimateName | None = Field(None, description=ESTIMATE_DESCRIPTION)
    max_edit: float | None = Field(
        0.3,
        ge=0.0,
        le=1.0,
        description="too different, the first candidate stays: share of the words that differ at most, "
        "without case and punctuation; empty = any",
    )
    beam_size: int = Field(4, ge=1, le=64, description="trained: hypotheses kept; 1 is greedy")
    max_tokens: int = Field(128, ge=1, le=1024, description="tokens of the new text at most")
    batch_size: int = Field(16, ge=1, le=256, description="utterances fused together")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="arithmetic of the model that writes; auto = float32, bfloat16 on CUDA"
    )
    device: Device = Field("auto", description="auto, cpu, cuda, cuda:N or mps")

    @property
    def uses_estimates(self) -> bool:
        """Whether texts need the estimates of a fitted estimator."""
        return self.gate == ESTIMATE

    @property
    def runs_models(self) -> bool:
        """Whether models write or judge the texts."""
        return True

    def key_parameters(self) -> dict[str, Any]:
        """Return what decides the outputs beside models, estimator and device."""
        unset = {"estimate"} if self.estimate is None else set()
        own = key_values(self, {"dtype", *unset}) | gate_version(self.gate)
        return own | dtype_for_key(self.dtype, self.device)

    @property
    def gate_config(self) -> RoundsConfig:
        """The settings of the gate as refinement has them; off where it is the consensus."""
        return RoundsConfig(
            gate="off" if self.gate == CONSENSUS else self.gate,
            gate_model=self.gate_model,
            estimator=self.estimator,
            estimate=self.estimate,
            max_tokens=self.max_tokens,
            batch_size=self.batch_size,
            device=self.device,
        )


class FuseTrainingConfig(StackTrainingConfig):
    """The training of a correction model."""

    candidates: int = Field(5, ge=1, le=32, description="different candidates that the model reads at most")
