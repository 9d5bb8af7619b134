"""Settings of refinement rounds, from which the form in Prefect's UI is made: flat, described, bounded."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from components import neural_metrics
from components.compute.machine import dtype_for_key
from components.metrics.choices import TranslationMetricName
from components.number_ranges import ANY, LOG_PROBABILITY, PERCENT, PROBABILITY, Range, describe_fault
from components.stage_settings import Device, ModelRef, Settings, TableOf
from components.text.text_confidence import ESTIMATE_RANGES, EstimateName

VERSION = 5
"""Version of rounds, gates and stop rules: raised when their outputs change."""
DIFFUSION_VERSION = 2
"""Of steps of edit diffusion, beside a round's: from 2 on a text's greatest length is its own."""
SERVED_VERSION = 2
"""Of what a served model is asked, beside the version of the rounds."""
GateName = Literal[
    "forward", "round_trip", "fluency", "quality_estimation", "reference_chrf", "estimate", "off"
]
GATE_RANGES: dict[GateName, Range] = {
    "forward": LOG_PROBABILITY,
    "round_trip": PERCENT,
    "fluency": LOG_PROBABILITY,
    "quality_estimation": ANY,
    "reference_chrf": PERCENT,
    "estimate": PROBABILITY,
    "off": ANY,
}
"""The least and the greatest estimate of each gate."""
ESTIMATE = "estimate"
"""The gate, and the stop rule, by an estimator that was fitted on development data (kind ``estimate``)."""
ESTIMATOR_DESCRIPTION = (
    "gate estimate: the fitted estimator (docs/evaluation/confidence.md): node:NAME of kind fit_estimator, "
    "packaged:NAME, store:KEY, store:RUN (of antiphon run estimator), or a path"
)
ESTIMATE_DESCRIPTION = "which of its estimates; empty: p_correct or p_bad, else the expected score"
MODEL_GATES = ("forward", "round_trip", "fluency", "quality_estimation")
"""Gates that need ``gate_model``."""
TEXT_ESTIMATE_NAMES = ("forward", "dropout_forward", "round_trip", "fluency")
"""Estimates of a text by another model: rows of :data:`.text_estimators.TEXT_ESTIMATORS`."""


class RoundsConfig(Settings):
    """Settings of rounds whoever proposes the texts: what accepts a proposal, and when to stop."""

    gate: GateName = Field(
        "round_trip",
        description="estimate that must rise for a round to be accepted; off: every one",
    )
    gate_model: ModelRef = Field(
        "packaged:qwen2.5-coder-0.5b",
        description="forward: a translator; round_trip: one that translates back; fluency: an LM; "
        "quality_estimation: CometKiwi, xCOMET, MetricX (docs/evaluation/metrics.md) or served:NAME",
    )
    estimator: Annotated[str | None, TableOf("fit_estimator")] = Field(
        None,
        description=f"{ESTIMATOR_DESCRIPTION}; in loop empty where its texts bring estimates",
        examples=["packaged:whisper-base"],
    )
    estimate: EstimateName | None = Field(None, description=ESTIMATE_DESCRIPTION)
    reported: TranslationMetricName = Field(
        "bleu", description="metric of the harm rate; the gate may not be the same"
    )
    stop: tuple[Literal["critic", "no_change", "cycle", "quality", "estimate", "seconds"], ...] = Field(
        ("critic", "no_change", "cycle", "quality", "estimate", "seconds"),
        description="rules that may end an utterance before the budget of rounds does; the first that "
        "applies, in this order, is the reason",
    )
    stop_quality: float | None = Field(None, description="stop when the gate's estimate reaches this")
    stop_estimate: float | None = Field(
        None,
        description="stop when the fitted estimate (say which by estimate) reaches this, whatever the gate; "
        "of expected_wer and p_bad when it is as low",
    )
    max_tokens: int = Field(96, ge=1, le=1024, description="tokens per proposal at most")
    batch_size: int = Field(16, ge=1, le=256, description="utterances refined together")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="arithmetic of the model that writes; auto = float32, bfloat16 on CUDA"
    )
    device: Device = Field("auto", description="auto, cpu, cuda, cuda:N or mps")

    @model_validator(mode="after")
    def _check_estimates(self) -> RoundsConfig:
        if self.stop_estimate is not None and self.estimate is None:
            raise ValueError("stop_estimate: expected estimate to say of which estimate, found none")
        for setting, value, what, limits in (
            ("stop_quality", self.stop_quality, f"gate {self.gate}", GATE_RANGES[self.gate]),
            (
                "stop_estimate",
                self.stop_estimate,
                str(self.estimate),
                ESTIMATE_RANGES.get(str(self.estimate), ANY),
            ),
        ):
            fault = None if value is None else describe_fault(what, limits, value)
            if fault is not None:
                raise ValueError(f"{setting}: {fault}")
        if self.estimator is not None and not self.uses_estimates:
            raise ValueError(
                "estimator: expected gate: estimate or stop_estimate, which use it, found neither"
            )
        return self

    @property
    def uses_estimates(self) -> bool:
        """Whether texts need the estimates of a fitted estimator."""
        return self.gate == ESTIMATE or self.stop_estimate is not None

    @property
    def runs_models(self) -> bool:
        """Whether models write or judge the texts."""
        return True

    def key_parameters(self) -> dict[str, Any]:
        """Return what decides a round's outputs beside models, estimator and device.

        Estimates stand in it only where they are set.
        """
        estimates = {"estimate", "stop_estimate"}
        values = self.model_dump(
            mode="json", exclude={"model", "gate_model", "estimator", "device", "dtype", *estimates}
        ) | self.model_dump(mode="json", include=estimates, exclude_none=True)
        if self.stop_estimate is None:
            values["stop"] = [rule for rule in self.stop if rule != ESTIMATE]
        return values | dtype_for_key(self.dtype, self.device) | gate_version(self.gate)

    @property
    def seconds_budget(self) -> float | None:
        """Seconds after which an utterance stops."""
        return None

    @property
    def is_scheduled(self) -> bool:
        """Whether rounds differ, so that a text which one leaves unchanged may change in the next."""
        return False


class ProposerConfig(BaseModel):
    """Settings of what proposes a round's texts."""

    method: Literal["self_refine", "deliberation", "diffusion"] = Field(
        "self_refine", description="self_refine prompts a causal LM; the others are models of the train flow"
    )
    model: ModelRef = Field(
        "packaged:qwen2.5-coder-0.5b",
        description="model that refines: a causal LM, served:NAME, or store:KEY",
    )
    feedback: bool = Field(True, description="self_refine: ask for the problems of the draft first")


class RefineConfig(RoundsConfig, ProposerConfig):
    """Settings of refinement: what proposes texts, what accepts them, when to stop."""

    stop_seconds: float | None = Field(
        None,
        gt=0.0,
        description="stop after the round with which an utterance has taken so many seconds; such outputs "
        "depend on the machine",
    )

    @property
    def seconds_budget(self) -> float | None:
        """Seconds after which an utterance stops."""
        return self.stop_seconds

    @property
    def is_scheduled(self) -> bool:
        """Whether rounds differ: the steps of a diffusion do."""
        return self.method == "diffusion"


def gate_version(gate: str) -> dict[str, Any]:
    """Return the version of the model that judges, as a stage's key has it, where a gate reads a metric."""
    return {"neural_metrics": neural_metrics.version} if gate == "quality_estimation" else {}
