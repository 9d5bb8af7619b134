"""``prune``: a model whose smallest weights are zero, and which of its products that makes faster."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator
from typing_extensions import override

from components import metrics
from components.errors import ConfigError
from components.files.files import disk_full_as_store_error, read_json, write_json
from components.metrics.choices import MetricChoice
from components.nodes.facts import Facts
from components.nodes.node_context import NodeContext, NodeSettings
from components.run_record import StageRef
from components.stage_settings import ModelRef, Unkeyed
from components.storage.stages.whole_stage import TABLES, WORK, StageFiles
from components.training.kinds.model_kind import ModelKind
from components.translation.config import VERSION as TRANSLATION_VERSION

if TYPE_CHECKING:
    from components.pruning.prune import Shares

MODEL = "model"
VERSION = "1"
_log = logging.getLogger("antiphon.sparsity")


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
    dev: Unkeyed[str | None] = Field(
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

    @property
    def shares(self) -> Shares:
        """Which share of the weights stays where."""
        from components.pruning.prune import Shares  # noqa: PLC0415 - imports torch

        return Shares(self.pattern, self.keep, self.keep_by_layer, self.scope == "model")


def expected_speed(settings: PruneSettings) -> str:
    """Say what will be faster and what will not, before anything is done (docs/results/pruning.md)."""
    if ":" in settings.pattern:
        card = "; in half precision on CUDA cards from 8.0 it may be" if settings.pattern == "2:4" else ""
        return f"{settings.pattern}: no product is faster on a CPU{card}"
    least = min((settings.keep, *settings.keep_by_layer.values()))
    if not settings.sparse_products or least > 0.1:
        return "no product is faster: sparse ones pay below about a tenth of the weights"
    return "layers with a tenth of their weights or less may be faster on a CPU: each is measured"


class Prune(ModelKind[PruneSettings]):
    """Sets the smallest weights of a model's linear layers to zero."""

    name = "prune"
    summary = "a model -> the same with its smallest weights zero: anywhere, N:M, blocks, layer by layer"
    settings = PruneSettings
    version = VERSION
    libraries = ("torch", "transformers", "safetensors")

    @override
    def facts(self, settings: PruneSettings) -> Facts:
        decides = f"/dev/{TRANSLATION_VERSION}/{metrics.version}" if settings.tolerance is not None else ""
        return replace(
            super().facts(settings), version=VERSION + decides, description=expected_speed(settings)
        )

    @override
    def digests(self, settings: PruneSettings, context: NodeContext) -> dict[str, str]:
        """Return the digest of the development data."""
        if settings.dev is None:
            return {}
        from components import data  # noqa: PLC0415 - decodes audio

        languages = {"source_language": settings.source_language, "target_language": settings.target_language}
        return {"dev": data.load(settings.dev, limit=settings.dev_limit, **languages).digest}

    @override
    def check(self, settings: PruneSettings, context: NodeContext) -> None:
        """Check the pattern, the data and the model's name."""
        from components import data  # noqa: PLC0415 - decodes audio
        from components.pruning.masks import group_shape  # noqa: PLC0415 - imports torch

        group_shape(settings.pattern)
        if settings.scope == "model" and ":" in settings.pattern:
            raise ConfigError(
                "scope: expected layer with N:M, which keeps the same share everywhere, found model"
            )
        if settings.dev is not None:
            data.check(settings.dev, settings.source_language, settings.target_language)
        super().check(settings, context)

    @override
    def make(
        self, settings: PruneSettings, context: NodeContext, read: Mapping[str, StageRef], folder: Path
    ) -> StageFiles:
        """Prune the model, and measure what that costs and saves.

        Raises:
            ModelError: more is lost on dev than may be.
        """
        from components.pruning.pruned_folder import measure_loss, write_pruned  # noqa: PLC0415 - imports torch

        _log.info("%s: %s", context.name, expected_speed(settings))
        shutil.rmtree(folder / MODEL, ignore_errors=True)
        reference = settings.model
        with disk_full_as_store_error("the pruned model", folder):
            layers = write_pruned(reference, context.store, settings, folder / MODEL)
        context.verify()
        context.progress(50.0)
        loss = measure_loss(reference, settings, context.store, folder / MODEL, folder / WORK)
        write_json(folder / TABLES, {"tables": [*([loss] if loss else []), layers]})
        files = sorted(path.name for path in (folder / MODEL).iterdir())
        return StageFiles([TABLES, *(f"{MODEL}/{name}" for name in files)], items=len(layers["rows"]))

    @override
    def notes(
        self, settings: PruneSettings, context: NodeContext, ref: StageRef, data: StageRef | None
    ) -> list[str]:
        """Say what the model lost, and how many of its products are sparse."""
        tables: list[dict[str, Any]] = read_json(Path(ref.path) / TABLES)["tables"]
        return [
            *(f"{ref.stage}: {table['title']}" for table in tables),
            *super().notes(settings, context, ref, data),
        ]
