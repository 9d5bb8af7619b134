"""``merge``: models -> one model, as mergekit's recipe says."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import AntiphonError
from components.files import disk_full_as_store_error, write_json
from components.merging.config import VERSION, MergeConfig, is_text, recipe_of
from components.merging.recipe.model_names import reference_of
from components.nodes.kind import Site
from components.nodes.model_kind import ModelKind
from components.records import StageRef
from components.storage.whole_stage import TABLES, Product

if TYPE_CHECKING:
    from components.merging.checks import Diagnosis

MODEL = "model"
_log = logging.getLogger("antiphon.merging")


class Merge(ModelKind[MergeConfig]):
    """Merges the models of a recipe, once they have been examined."""

    name = "merge"
    summary = "models -> one model, as mergekit's recipe says"
    settings = MergeConfig

    def version(self, settings: MergeConfig) -> str:
        """Of the merging."""
        return str(VERSION)

    def libraries(self, settings: MergeConfig) -> tuple[str, ...]:
        """Of tensors, their files and tokenizers."""
        return ("torch", "numpy", "safetensors", "transformers")

    def models(self, settings: MergeConfig) -> dict[str, str]:
        """Those of the recipe, by their names there; of one that cannot be read, :meth:`check` says why."""
        try:
            recipe = recipe_of(settings.recipe)
        except AntiphonError:
            return {}
        return {model: reference_of(model, recipe) for model in recipe.models}

    def resolve_paths(self, settings: MergeConfig, folder: Path) -> MergeConfig:
        """With the recipe's file in that folder, where it is one."""
        if is_text(settings.recipe):
            return settings
        return settings.model_copy(update={"recipe": str(folder / Path(settings.recipe).expanduser())})

    def parameters(self, settings: MergeConfig, site: Site) -> dict[str, Any]:
        """The text of the recipe, wherever it stands."""
        return {"recipe": recipe_of(settings.recipe).text}

    def check(self, settings: MergeConfig, site: Site) -> None:
        """Its method, its parameters, its models' names."""
        from components.merging import preflight  # noqa: PLC0415 - imports torch

        preflight.check_recipe(recipe_of(settings.recipe), site.store)

    def make(self, settings: MergeConfig, site: Site, read: Mapping[str, StageRef], folder: Path) -> Product:
        """Examine the models and merge them. MergeError says why they cannot be."""
        from components.merging.checks import examine  # noqa: PLC0415 - imports torch
        from components.merging.io.input_models import open_models  # noqa: PLC0415 - imports torch
        from components.merging.merge import MergeOptions, merge  # noqa: PLC0415 - imports torch

        recipe = recipe_of(settings.recipe)
        made = {name: f"store:{ref.key}" for name, ref in site.tables.items()}
        with open_models(recipe, site.store, made) as models:
            diagnosis = examine(recipe, *models)
        diagnosis.require()
        _report_findings(diagnosis, folder)
        site.progress(50.0)
        shutil.rmtree(folder / MODEL, ignore_errors=True)
        for left in folder.glob(f".{MODEL}.*"):
            shutil.rmtree(left, ignore_errors=True)
        with disk_full_as_store_error("the merged model", folder):
            merge(recipe, folder / MODEL, MergeOptions(seed=site.seed, store=site.store, references=made))
        site.verify()
        files = sorted(path.name for path in (folder / MODEL).iterdir())
        return Product([TABLES, *(f"{MODEL}/{name}" for name in files)], items=diagnosis.tensors)


def _report_findings(diagnosis: Diagnosis, folder: Path) -> None:
    """Leave what the examination found as a table, and log its warnings."""
    rows = [{"level": finding.level, "text": finding.text} for finding in diagnosis.findings]
    rows += [{"level": "lineage", "text": str(one)} for one in diagnosis.similarities]
    for row in rows:
        if row["level"] == "warning":
            _log.warning("merge: %s", row["text"])
    write_json(folder / TABLES, {"tables": [{"title": "What the merge doctor found", "rows": rows}]})
