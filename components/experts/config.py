"""Settings of the training of a translation model with experts."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from components.stage_settings import DataSource, marked_data_sets
from components.training.config import TrainingConfig, bleu_version

VERSION = 1
"""Version of the learner: raised when the same settings give another model."""
CAPACITY_VERSION = 2
"""Version of trainings with a capacity; from 2 on an expert's tokens are in order of position."""
ONE_LANGUAGE_VERSION = 2
"""Version of trainings of one language; from 2 on its tag stands once before a development sentence."""
UPCYCLING = 1
"""Version of upcycling without training."""


class ExpertsConfig(TrainingConfig):
    """Settings of one training of a multilingual translation model with sparse layers."""

    keyed_when_set: ClassVar[tuple[str, ...]] = (
        *TrainingConfig.keyed_when_set,
        *("num_shared_experts", "encoder_routing", "decoder_routing"),
    )

    target_language: str = Field(
        "de,fr,cs",
        title="Target languages",
        min_length=2,
        max_length=256,
        description="languages that are written, comma-separated; each source is tagged >>LANGUAGE<<",
    )
    ffn_dim: int = Field(
        512,
        title="Feed-forward width",
        ge=8,
        le=16384,
        description="dimension inside each expert, and inside the feed-forward blocks that have none",
    )
    num_experts: int = Field(
        8, title="Experts", ge=0, le=256, description="experts per sparse layer; 0 = a dense model"
    )
    top_k: int = Field(2, title="Experts per token", ge=1, le=256, description="experts that compute a token")
    sparse_every: int = Field(
        1, title="Sparse layers", ge=1, le=24, description="1 = every layer is sparse, 2 = every second, ..."
    )
    noisy_gating: bool = Field(
        False, title="Noisy gating", description="noise of a learned scale on the gates while training"
    )
    balance_loss: Literal["switch", "shazeer", "none"] = Field(
        "switch",
        title="Balance loss",
        description="switch (Switch, Mixtral), shazeer (importance and load), or none",
    )
    balance_loss_weight: float = Field(
        0.01, title="Weight of the balance loss", ge=0.0, le=10.0, description="added per sparse layer"
    )
    z_loss_weight: float = Field(
        0.001, title="Weight of the z-loss", ge=0.0, le=10.0, description="keeps the router's logits small"
    )
    capacity_factor: float | None = Field(
        None,
        title="Capacity",
        gt=0.0,
        le=256.0,
        description="tokens per expert at most, as a multiple of an equal share; empty = none are dropped",
    )

    num_shared_experts: int = Field(
        0,
        title="Shared experts",
        ge=0,
        le=64,
        description="experts that compute every token beside the chosen ones (DeepSeekMoE)",
    )
    encoder_routing: Literal["token_choice", "expert_choice"] = Field(
        "token_choice",
        title="Routing of the encoder",
        description="token_choice: each token takes top_k experts; expert_choice: each expert takes its best "
        "tokens of a sentence, top_k experts a token on average (Zhou et al. 2022)",
    )
    decoder_routing: str = Field(
        "token_choice", title="Routing of the decoder", description="token_choice, the only one for decoders"
    )

    @property
    def version_prefix(self) -> str:
        """The versions of what the experts, their capacity and a single language decide."""
        capacity = "" if self.capacity_factor is None else f"capacity/{CAPACITY_VERSION}/"
        language = f"language/{ONE_LANGUAGE_VERSION}/" if len(self.targets) == 1 else ""
        return f"{VERSION}/{capacity}{language}{bleu_version(*self.targets)}"

    @model_validator(mode="after")
    def _possible(self) -> ExpertsConfig:
        if self.kind != "translation":
            raise ValueError(f"kind: expected translation, found {self.kind}: models with experts translate")
        if self.num_experts and self.top_k > self.num_experts:
            raise ValueError(
                f"top_k: expected 1 to {self.num_experts} (the number of experts), found {self.top_k}"
            )
        if self.decoder_routing != "token_choice":
            raise ValueError(
                f"decoder_routing: expected token_choice, found {self.decoder_routing}; experts that choose "
                "among the tokens of a sentence look at later ones: set encoder_routing instead"
            )
        if self.balance_loss == "shazeer" and not self.noisy_gating:
            raise ValueError("balance_loss: shazeer's load loss needs noisy gating; set noisy_gating")
        return self

    def data_sets(self) -> dict[str, DataSource]:
        """Return the data of every language."""
        return {
            f"{role}.{target}": each._replace(target_language=target)
            for target in self.targets
            for role, each in marked_data_sets(self).items()
        }

    @property
    def targets(self) -> tuple[str, ...]:
        """The target languages, in order."""
        return tuple(code.strip() for code in self.target_language.split(",") if code.strip())
