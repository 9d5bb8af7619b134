"""``upcycle``: one model whose experts are the feed-forward blocks of dense models."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from typing_extensions import override

from components.errors import AntiphonError
from components.experts.config import UPCYCLING
from components.files.files import disk_full_as_store_error
from components.files.yaml_text import read_yaml_text
from components.merging.config import is_text
from components.merging.recipe.moe import read_moe_settings
from components.nodes.node_context import NodeContext, NodeSettings
from components.run_record import StageRef
from components.stage_settings import ModelRef, key_values
from components.storage.stages.whole_stage import StageFiles
from components.training.kinds.model_kind import ModelKind

MODEL = "model"


class UpcycleSettings(NodeSettings):
    """Which models, how many experts, and how the routers begin."""

    models: tuple[ModelRef, ...] = Field(
        min_length=1, description="dense models of one shape: expert e is of model e mod their number"
    )
    num_experts: int = Field(4, ge=1, le=256, description="experts per layer")
    top_k: int = Field(2, ge=1, le=256, description="experts that compute a token")
    router: Literal["random", "cheap_embed", "hidden"] = Field(
        "random", description="random weights, or the prompts' mean embedding or mean input to each router"
    )
    prompts: tuple[tuple[str, ...], ...] = Field(
        (), description="texts of each expert, for routers that begin with them"
    )
    dtype: Literal["float32", "float16", "bfloat16"] | None = Field(
        None, description="type of the weights; that of the models if empty"
    )

    @model_validator(mode="before")
    @classmethod
    def _read_recipe(cls, values: Any) -> Any:
        """Take everything from ``recipe``, mergekit-moe's YAML: a file, its text, or its keys."""
        if not isinstance(values, dict) or "recipe" not in values:
            return values
        recipe, others = values["recipe"], {name: v for name, v in values.items() if name != "recipe"}
        if isinstance(recipe, dict):
            text, where = json.dumps(recipe, indent=1, ensure_ascii=False), "recipe"
        elif is_text(recipe):
            text, where = recipe, "recipe"
        else:
            text, where = read_yaml_text(Path(recipe).expanduser()), recipe
        try:
            return read_moe_settings(text, where) | others
        except AntiphonError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _check_top_k(self) -> Self:
        if self.top_k > self.num_experts:
            raise ValueError(f"top_k: expected 1 to {self.num_experts} (experts), found {self.top_k}")
        if self.router != "random" and len(self.prompts) != self.num_experts:
            raise ValueError(
                f"prompts: router {self.router} expects texts for each of the {self.num_experts} experts, "
                f"found {len(self.prompts)}"
            )
        return self

    def key_parameters(self) -> dict[str, Any]:
        """Return everything but the models, of which their number."""
        unset = {"dtype"} if self.dtype is None else set()
        return key_values(self, unset) | {"models": len(self.models)}


class Upcycle(ModelKind[UpcycleSettings]):
    """Makes a sparse model from dense ones, without any training."""

    name = "upcycle"
    summary = "dense models -> one model whose experts are their feed-forward blocks"
    settings = UpcycleSettings
    version = str(UPCYCLING)
    libraries = ("torch", "transformers", "safetensors")

    @override
    def make(
        self, settings: UpcycleSettings, context: NodeContext, read: Mapping[str, StageRef], folder: Path
    ) -> StageFiles:
        """Load the dense models, upcycle them, and save the result."""
        import torch  # noqa: PLC0415 - heavy

        from components.experts.upcycling import load_dense_models, save_upcycled, upcycle  # noqa: PLC0415 - imports torch

        dense, tokenizer, lineage = load_dense_models(settings.models, context.store)
        context.verify()
        torch.manual_seed(context.seed)
        model = upcycle(
            dense,
            settings.router,
            experts=settings.num_experts,
            top_k=settings.top_k,
            tokenizer=tokenizer,
            prompts=settings.prompts,
        )
        if settings.dtype is not None:
            model.to(getattr(torch, settings.dtype))
        shutil.rmtree(folder / MODEL, ignore_errors=True)
        with disk_full_as_store_error("the upcycled model", folder):
            save_upcycled(model, tokenizer, folder / MODEL, lineage)
        return StageFiles([f"{MODEL}/{path.name}" for path in sorted((folder / MODEL).iterdir())], items=1)
