"""Settings of pruning, and what they make faster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from components.errors import ConfigError
from components.metrics.choices import MetricChoice
from components.nodes.node_context import NodeSettings
from components.pruning.patterns import group_shape
from components.stage_settings import DataSet, ModelRef

if TYPE_CHECKING:
    from components.pruning.prune import Shares


class PruneSettings(NodeSettings):
    """Which weights stay, and how much quality may be lost."""

    model: ModelRef = Field(description="the model that is pruned")
    pattern: str = Field(
        "single",
        description="where zeros may be: single = anywhere, by magnitude; N:M = N of every M weights of a "
        "row stay, such as 2:4; block = blocks of 32 x 32",
    )
    keep: float = Field(0.5, gt=0, le=1, description="share of the weights that stay; of N:M it is N / M")
    scope: Literal["layer", "model"] = Field(
        "layer",
        description="layer: every layer keeps that share; model: the largest stay, wherever they are",
    )
    keep_by_layer: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(
        {},
        description="another share for layers whose names have this part, as {decoder: 0.8, fc1: 0.3}; the "
        "first that fits counts",
    )
    sparse_products: bool = Field(
        True, description="keep layers in sparse form where that is faster here, as measured (CPU)"
    )
    rows: int = Field(
        80, ge=1, le=100_000, description="tokens per product for which the form is chosen: sentences x beam"
    )
    dev: Annotated[str | None, DataSet(limit="dev_limit")] = Field(
        None,
        description="development data on which the loss is measured, never a test set; empty = none",
    )
    dev_limit: int = Field(200, ge=1, description="only the first so many utterances of dev")
    metric: Annotated[str, MetricChoice(further=("auto",))] = Field(
        "auto", description="what is measured, by greedy search; auto: wer for speech, bleu for text"
    )
    tolerance: float | None = Field(
        None, ge=0, description="points that may be lost on dev; a model that loses more is refused"
    )
    source_language: str | None = Field(None, description="of dev; its own if empty")
    target_language: str | None = Field(None, description="of dev; its own if empty")

    @model_validator(mode="after")
    def _check_tolerance(self) -> PruneSettings:
        if self.tolerance is not None and self.dev is None:
            raise ValueError("tolerance: expected dev, on which the loss is measured, found none")
        return self

    @model_validator(mode="after")
    def _check_pattern(self) -> PruneSettings:
        try:
            group_shape(self.pattern)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        if self.scope == "model" and ":" in self.pattern:
            raise ValueError(
                "scope: expected layer with N:M, which keeps the same share everywhere, found model"
            )
        return self

    @property
    def shares(self) -> Shares:
        """Which share of the weights stays where."""
        from components.pruning.prune import Shares  # noqa: PLC0415 - imports torch

        return Shares(self.pattern, self.keep, self.keep_by_layer, self.scope == "model")


def expected_speed(settings: PruneSettings) -> str:
    """Say what will be faster and what will not, before anything is done."""
    if ":" in settings.pattern:
        card = "; in half precision on CUDA cards from 8.0 it may be" if settings.pattern == "2:4" else ""
        return f"{settings.pattern}: no product is faster on a CPU{card}"
    least = min((settings.keep, *settings.keep_by_layer.values()))
    if not settings.sparse_products or (least > 0.1 and settings.scope == "layer"):
        return "no product is faster: sparse ones pay below about a tenth of the weights"
    return "layers with a tenth of their weights or less may be faster on a CPU: each is measured"
