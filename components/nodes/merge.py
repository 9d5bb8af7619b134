"""``merge``: models -> one model, as mergekit's recipe says."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import AntiphonError
from components.files import told_when_full, write_json
from components.merging.config import VERSION, MergeConfig, is_text, recipe_of
from components.merging.naming import reference
from components.nodes.kind import Site
from components.nodes.model_kind import ModelKind
from components.records import StageRef
from components.storage.whole_stage import TABLES, Product

if TYPE_CHECKING:
    from components.merging.doctor import Diagnosis

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
        return {model: reference(model, recipe) for model in recipe.models}

    def in_folder(self, settings: MergeConfig, folder: Path) -> MergeConfig:
        """With the recipe's file in that folder, where it is one."""
        if is_text(settings.recipe):
            return settings
        return settings.model_copy(update={"recipe": str(folder / Path(settings.recipe).expanduser())})

    def parameters(self, settings: MergeConfig, site: Site) -> dict[str, Any]:
        """The text of the recipe, wherever it stands."""
        return {"recipe": recipe_of(settings.recipe).text}

    def check(self, settings: MergeConfig, site: Site) -> None:
        """Its method, its parameters, its models' names."""
        from components.merging import checks  # noqa: PLC0415 - imports torch

        checks.check(recipe_of(settings.recipe), site.store)

    def make(self, settings: MergeConfig, site: Site, read: Mapping[str, StageRef], folder: Path) -> Product:
        """Examine the models and merge them. MergeError says why they cannot be."""
        from components.merging.doctor import examine  # noqa: PLC0415 - imports torch
        from components.merging.engine import Options, merge  # noqa: PLC0415 - imports torch
        from components.merging.references import opened  # noqa: PLC0415 - imports torch

        recipe = recipe_of(settings.recipe)
        made = {name: f"store:{ref.key}" for name, ref in site.tables.items()}
        with opened(recipe, site.store, made) as models:
            diagnosis = examine(recipe, *models)
        diagnosis.require()
        _tell(diagnosis, folder)
        site.progress(50.0)
        shutil.rmtree(folder / MODEL, ignore_errors=True)
        for left in folder.glob(f".{MODEL}.*"):
            shutil.rmtree(left, ignore_errors=True)
        with told_when_full("the merged model", folder):
            merge(recipe, folder / MODEL, Options(seed=site.seed, store=site.store, made=made))
        site.verify()
        files = sorted(path.name for path in (folder / MODEL).iterdir())
        return Product([TABLES, *(f"{MODEL}/{name}" for name in files)], items=diagnosis.tensors)


def _tell(diagnosis: Diagnosis, folder: Path) -> None:
    """Leave what the examination found as a table, and log its warnings."""
    rows = [{"level": finding.level, "text": finding.text} for finding in diagnosis.findings]
    rows += [{"level": "lineage", "text": str(one)} for one in diagnosis.lineages]
    for row in rows:
        if row["level"] == "warning":
            _log.warning("merge: %s", row["text"])
    write_json(folder / TABLES, {"tables": [{"title": "What the merge doctor found", "rows": rows}]})
