"""``prune``: a model whose smallest weights are zero, and which of its products that makes faster."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from typing_extensions import override

from components import metrics
from components.files.files import disk_full_as_store_error, write_json
from components.nodes.facts import Facts
from components.nodes.node_context import NodeContext
from components.pruning.config import PruneSettings, expected_speed
from components.run_record import StageRef
from components.storage.stages.whole_stage import TABLES, WORK, StageFiles
from components.training.kinds.model_kind import ModelKind
from components.translation.config import VERSION as TRANSLATION_VERSION

MODEL = "model"
VERSION = "1"
_log = logging.getLogger("antiphon.sparsity")


class Prune(ModelKind[PruneSettings]):
    """Sets the smallest weights of a model's linear layers to zero."""

    name = "prune"
    summary = "a model -> the same with its smallest weights zero: anywhere, N:M, blocks, layer by layer"
    settings = PruneSettings
    version = VERSION
    libraries = ("torch", "transformers", "safetensors")

    @override
    def facts(self, settings: PruneSettings) -> Facts:
        decides = f"/dev/2/{TRANSLATION_VERSION}/{metrics.version}" if settings.tolerance is not None else ""
        return replace(
            super().facts(settings), version=VERSION + decides, description=expected_speed(settings)
        )

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
        tables = [*([loss] if loss else []), layers]
        named = {"tables": [table.to_json() for table in tables], "notes": [table.title for table in tables]}
        write_json(folder / TABLES, named)
        files = sorted(path.name for path in (folder / MODEL).iterdir())
        return StageFiles([TABLES, *(f"{MODEL}/{name}" for name in files)], items=len(layers.rows))
