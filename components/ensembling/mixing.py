"""What a user can set on the mixing of members, step by step. Flat: the Prefect UI makes its form of it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from components.ensembling.config import Filter
from components.translation.config import TranslationConfig


class MixingConfig(BaseModel):
    """How the distributions of several members become one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["linear", "log_linear", "negative_evidence", "pooled"] = Field(
        "linear",
        title="Method",
        description="linear = weighted mean of probabilities (OR); log_linear = weighted product (AND); "
        "negative_evidence = model x (positive / negative) ** strength; pooled = each alone, then pool",
    )
    coefficients: tuple[float, ...] = Field(
        (),
        title="Coefficients",
        description="one per member, in their order; empty = equal, or learned",
    )
    learn: Literal["nothing", "constants", "gate"] = Field(
        "nothing",
        title="Learn",
        description="on the development set, before decoding: constants = one coefficient per member; "
        "gate = coefficients for every token by a small network (linear only)",
    )
    top_k: int | None = Field(
        None, title="Members per step", ge=1, le=64, description="gate: members run per step; empty = all"
    )
    vocabulary: Literal["same", "intersection", "union"] = Field(
        "same",
        title="Vocabularies",
        description="members of different tokenizers: same = refuse them; intersection = mix the pieces that "
        "all have; union = the pieces that any has (linear and log_linear)",
    )
    dev: str = Field(
        "multi30k:val",
        title="Development data",
        description="parallel text that coefficients and the strength are learned on; never a test set",
    )
    dev_sentences: int = Field(
        100, title="Development sentences", ge=10, le=10_000, description="the first so many of them"
    )
    positive: str | None = Field(
        None, title="Positive model", description="negative_evidence: language model of what is wanted"
    )
    negative: str | None = Field(
        None, title="Negative model", description="negative_evidence: language model of what is not wanted"
    )
    strength: float = Field(
        0.3, title="Strength", ge=0.0, le=10.0, description="negative_evidence: 0 = the model alone"
    )
    plausibility: float | None = Field(
        None,
        title="Plausibility",
        ge=0.0,
        le=1.0,
        description="negative_evidence: only tokens of this share of the best one's probability; empty = all",
    )
    filter: Filter = Field(
        "before",
        title="Filter",
        description="negative_evidence: plausibility by the model itself (before) or by the mixture (after)",
    )


class Ensemble(TranslationConfig):
    """Everything that makes an ensemble: the search, the members in order, and how they are mixed."""

    members: tuple[str, ...]
    mixing: MixingConfig
