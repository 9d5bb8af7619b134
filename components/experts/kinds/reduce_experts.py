"""``reduce_experts``: a model with fewer experts, the others pruned or merged by what a trace measured."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator
from typing_extensions import override

from components.analysis.table import Table
from components.files.files import disk_full_as_store_error, write_json
from components.nodes.node_context import LanguagePairs, NodeContext, NodeSettings
from components.run_record import StageRef
from components.stage_settings import ModelRef, TableOf, key_values
from components.storage.stages.whole_stage import TABLES, StageFiles
from components.training.kinds.model_kind import ModelKind

if TYPE_CHECKING:
    from components.experts.reducing.clusters import Cluster

VERSION = 1
"""Raised when the same settings give another model."""
MODEL = "model"


class ReduceExpertsSettings(NodeSettings):
    """Which model, how many experts of each layer stay, and which."""

    model: ModelRef = Field(description="a model with experts, the one that was traced")
    trace: Annotated[str, TableOf("trace_experts")] = Field(
        description="a node of kind trace_experts, which measured its experts"
    )
    keep: int | Literal["all"] = Field(
        "all", description="experts of each layer that are left; all gives the model as it is"
    )
    method: Literal["prune", "merge"] = Field(
        "prune", description="leave the others out, or make alike experts one, weighted by their use"
    )
    by: Literal["reap", "frequency", "knock_out", "random"] = Field(
        "reap",
        description="what pruning keeps the most of; knock_out needs knock_out of the trace; random is the "
        "control",
    )
    seed: int = Field(0, ge=0, lt=2**31, description="by: random: other seeds keep other experts")

    @model_validator(mode="after")
    def _check_keep(self) -> ReduceExpertsSettings:
        if self.keep != "all" and self.keep < 1:
            raise ValueError(f"keep: expected a number of experts from 1 on, or all, found {self.keep}")
        if self.method == "merge" and self.by != "reap":
            raise ValueError("by: what pruning goes by, and merging goes by likeness; leave it out")
        if self.seed and self.by != "random":
            raise ValueError(f"seed: expected with by: random only, found with by: {self.by}; leave it out")
        return self

    def key_parameters(self) -> dict[str, Any]:
        """Return what is kept, by what."""
        unused = {"by"} if self.method == "merge" else set()
        unused |= {"seed"} if self.by != "random" else set()
        return key_values(self, unused)


class ReduceExperts(ModelKind[ReduceExpertsSettings]):
    """Writes a model folder that loads by its configuration alone."""

    name = "reduce_experts"
    summary = "a model with experts and its trace -> one with fewer, pruned or merged"
    settings = ReduceExpertsSettings
    version = str(VERSION)
    libraries = ("torch", "transformers", "safetensors", "scipy")

    @override
    def validate_models(
        self, settings: ReduceExpertsSettings, context: NodeContext, pairs: LanguagePairs
    ) -> None:
        """Check that the model's layers can have so many experts, by its configuration."""
        from components import models  # noqa: PLC0415 - may fetch
        from components.experts.reducing import sparse_checkpoint  # noqa: PLC0415 - imports torch
        from components.experts.reducing.clusters import check_keep  # noqa: PLC0415 - imports torch

        checkpoint = models.resolve(settings.model, context.store)
        sparse_checkpoint.inspect_layers(checkpoint)
        if settings.keep != "all":
            check_keep(settings.keep, sparse_checkpoint.shape_of(sparse_checkpoint.read_config(checkpoint)))

    @override
    def make(
        self,
        settings: ReduceExpertsSettings,
        context: NodeContext,
        read: Mapping[str, StageRef],
        folder: Path,
    ) -> StageFiles:
        """Reduce the experts of every layer, and write the model and what became of each expert."""
        from components import models  # noqa: PLC0415 - imports torch
        from components.experts.reducing.reduction import reduce_checkpoint  # noqa: PLC0415 - imports torch
        from components.experts.reducing.trace import ExpertTrace  # noqa: PLC0415 - imports torch

        checkpoint = models.resolve(settings.model, context.store)
        shutil.rmtree(folder / MODEL, ignore_errors=True)
        rows = list[dict[str, str]]()
        with disk_full_as_store_error("the model with fewer experts", folder):
            if settings.keep == "all":
                shutil.copytree(checkpoint.path, folder / MODEL)
            else:
                trace = ExpertTrace.read(context.table_folder("trace"))
                clusters = reduce_checkpoint(
                    checkpoint,
                    trace,
                    settings.keep,
                    settings.by,
                    settings.method,
                    folder / MODEL,
                    settings.seed,
                )
                rows = [row for name, kept in clusters.items() for row in _describe(name, kept)]
        context.verify()
        note = "An expert of the new model, and those of the old one whose weights it has."
        table = Table("Experts that are left", note, tuple(rows))
        write_json(folder / TABLES, {"tables": [table.to_json()]})
        files = [f"{MODEL}/{path.name}" for path in sorted((folder / MODEL).iterdir())]
        return StageFiles([TABLES, *files], items=1)


def _describe(layer: str, clusters: Sequence[Cluster]) -> list[dict[str, str]]:
    return [
        {
            "layer": layer,
            "expert": str(number),
            "from": ", ".join(
                f"{member} ({weight:.2f})" if len(cluster.members) > 1 else str(member)
                for member, weight in zip(cluster.members, cluster.weights, strict=True)
            ),
            "router's row": str(cluster.row),
        }
        for number, cluster in enumerate(clusters)
    ]
