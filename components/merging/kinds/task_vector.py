"""``task_vector``: what fine-tuning changed in a model, for the recipes of ``merge``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field
from typing_extensions import override

from components.analysis.table import Table
from components.errors import MergeError
from components.files.files import read_json, write_json
from components.models.adapted_references import parts_of, replace_parts
from components.nodes.facts import Mode
from components.nodes.kind import Kind
from components.nodes.node_context import NodeContext, NodeSettings
from components.run_record import StageRef
from components.stage_settings import ModelRef
from components.storage.stages.whole_stage import TABLES, StageFiles

VECTOR = "vector.json"
"""The two models, by references that other stages can read, with their digests."""


class TaskVectorSettings(NodeSettings):
    """Two models of one architecture."""

    model: ModelRef = Field(description="the fine-tuned model")
    minus: ModelRef = Field(description="the model that it was fine-tuned from")


class TaskVectorKind(Kind[TaskVectorSettings]):
    """Keeps a task vector as its formula, and says which layers changed by how much."""

    name = "task_vector"
    summary = "a fine-tuned model minus its start -> a task vector, for recipes of merge"
    settings = TaskVectorSettings
    reads = ()
    inputs = (0, 0)
    output = "table"
    mode = Mode.WHOLE
    version = "1"
    libraries = ("torch", "safetensors")

    @override
    def make(
        self,
        settings: TaskVectorSettings,
        context: NodeContext,
        read: Mapping[str, StageRef],
        folder: Path,
    ) -> StageFiles:
        """Write the formula and the table of changes.

        Raises:
            MergeError: the models have other tensors.
        """
        from components import models  # noqa: PLC0415 - imports torch
        from components.merging.layer_changes import measure_changes  # noqa: PLC0415 - imports torch

        references = {
            role: name_for_others(reference, role, context)
            for role, reference in self.facts(settings).models.items()
        }
        checkpoints = {role: models.resolve(name, context.store) for role, name in references.items()}
        context.verify()
        rows = measure_changes(Path(checkpoints["model"].path), Path(checkpoints["minus"].path))
        write_json(
            folder / VECTOR,
            {role: {"reference": references[role], "sha256": c.sha256} for role, c in checkpoints.items()},
        )
        note = "norm of the change over the norm of the weights that it started from"
        table = Table("What fine-tuning changed", note, tuple(rows))
        write_json(folder / TABLES, {"tables": [table.to_json()]})
        return StageFiles([VECTOR, TABLES], items=len(rows))


def name_for_others(reference: str, role: str, context: NodeContext) -> str:
    """Return the reference of a model for other nodes: of one that a node made ``store:KEY``."""
    keys = {
        part: f"store:{context.tables[own].key}"
        for number, part in enumerate(parts_of(reference))
        if (own := role if number == 0 else f"{role}+{number}") in context.tables
    }
    return replace_parts(reference, keys)


def read_vector(name: str, role: str, context: NodeContext) -> tuple[str, str]:
    """Return the two models of a task vector that another node made: the fine-tuned one, and its start.

    Args:
        name: ``node:NAME`` of a node that the context has by ``role``, or ``store:KEY``.
        role: of that node.
        context: of the node that reads.

    Raises:
        StoreError: there is no such stage.
        MergeError: it holds no vector, or a model is no longer what the vector was taken from.
    """
    from components import models  # noqa: PLC0415 - imports torch
    from components.models.sources.store import find_stage_folder  # noqa: PLC0415 - as above

    key = name.removeprefix("store:")
    if role in context.tables:
        folder = context.table_folder(role)
    else:
        folder = find_stage_folder(key, context.store, name)
    if not (folder / VECTOR).is_file():
        raise MergeError(f"{name}: expected what a node of kind task_vector made, found another stage")
    content: dict[str, Any] = read_json(folder / VECTOR)
    for part, model in content.items():
        found = models.resolve(model["reference"], context.store).sha256
        if found != model["sha256"]:
            raise MergeError(
                f"{model['reference']}: expected the {part} of the vector, sha256 {model['sha256'][:12]}, "
                f"found {found[:12]}; make the vector again"
            )
    return content["model"]["reference"], content["minus"]["reference"]
