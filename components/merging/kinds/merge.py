"""``merge``: one model from several, by a recipe in mergekit's format."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from components.errors import AntiphonError
from components.files.files import disk_full_as_store_error, write_json
from components.merging.config import VERSION, MergeConfig, is_text, recipe_of
from components.merging.recipe.model_names import reference_of
from components.models.adapted_references import parts_of, replace_parts
from components.nodes.facts import Facts
from components.nodes.node_context import NodeContext
from components.run_record import StageRef
from components.storage.stages.whole_stage import TABLES, StageFiles
from components.training.kinds.model_kind import ModelKind

if TYPE_CHECKING:
    from components.merging.checks import Diagnosis

MODEL = "model"
_log = logging.getLogger("antiphon.merging")


class Merge(ModelKind[MergeConfig]):
    """Checks the models of a recipe and merges them."""

    name = "merge"
    summary = "models -> one model, as mergekit's recipe says"
    settings = MergeConfig
    version = str(VERSION)
    libraries = ("torch", "numpy", "safetensors", "transformers")

    @override
    def facts(self, settings: MergeConfig) -> Facts:
        facts = super().facts(settings)
        try:
            recipe = recipe_of(settings.recipe)
        except AntiphonError:
            return facts  # check reports a recipe that cannot be read
        return replace(
            facts,
            libraries=(*facts.libraries, *(("peft",) if recipe.adapters else ())),
            models={model: reference_of(model, recipe) for model in recipe.sources},
        )

    @override
    def resolve_paths(self, settings: MergeConfig, folder: Path) -> MergeConfig:
        """Resolve the recipe where it is a file."""
        if is_text(settings.recipe):
            return settings
        return settings.model_copy(update={"recipe": str(folder / Path(settings.recipe).expanduser())})

    @override
    def digests(self, settings: MergeConfig, context: NodeContext) -> dict[str, str]:
        """Return the digests of the data that models are measured on, by the models' names."""
        from components import data  # noqa: PLC0415 - decodes audio

        languages = {"source_language": settings.source_language, "target_language": settings.target_language}
        return {
            f"data {model}": data.load(source, limit=settings.data_limit, **languages).digest
            for model, source in settings.data.items()
        }

    @override
    def check(self, settings: MergeConfig, context: NodeContext) -> None:
        """Check its method, its parameters and its models' names."""
        from components.merging import preflight  # noqa: PLC0415 - imports torch
        from components.merging.statistics.data_sets import DataSets  # noqa: PLC0415 - imports torch

        sets = DataSets.of_settings(settings)
        preflight.check_recipe(recipe_of(settings.recipe), context.store, sets)

    @override
    def make(
        self, settings: MergeConfig, context: NodeContext, read: Mapping[str, StageRef], folder: Path
    ) -> StageFiles:
        """Check the models and merge them.

        Raises:
            MergeError: they cannot be merged.
        """
        from components.merging.checks import examine_recipe  # noqa: PLC0415 - imports torch
        from components.merging.merge import MergeOptions, merge  # noqa: PLC0415 - imports torch
        from components.merging.statistics.data_sets import DataSets  # noqa: PLC0415 - imports torch

        recipe = recipe_of(settings.recipe)
        references = self._references(settings, context)
        diagnosis = examine_recipe(recipe, context.store, references)
        diagnosis.require()
        sets = DataSets.of_settings(settings)
        options = MergeOptions(
            seed=context.seed, store=context.store, references=references, data=sets, device=settings.device
        )
        _report_findings(diagnosis, folder)
        context.progress(50.0)
        shutil.rmtree(folder / MODEL, ignore_errors=True)
        for left in folder.glob(f".{MODEL}.*"):
            shutil.rmtree(left, ignore_errors=True)
        with disk_full_as_store_error("the merged model", folder):
            merge(recipe, folder / MODEL, options)
        context.verify()
        files = sorted(path.name for path in (folder / MODEL).iterdir())
        return StageFiles([TABLES, *(f"{MODEL}/{name}" for name in files)], items=diagnosis.tensors)

    def _references(self, settings: MergeConfig, context: NodeContext) -> dict[str, str]:
        """Return the references of the recipe's models that other nodes made, or parts of them, by name."""
        references = {}
        for name, reference in self.facts(settings).models.items():
            keys = {
                part: f"store:{context.tables[role].key}"
                for number, part in enumerate(parts_of(reference))
                if (role := name if number == 0 else f"{name}+{number}") in context.tables
            }
            if keys:
                references[name] = replace_parts(reference, keys)
        return references


def _report_findings(diagnosis: Diagnosis, folder: Path) -> None:
    """Write what the checks found as a table, and log its warnings."""
    rows = [{"level": finding.level, "text": finding.text} for finding in diagnosis.findings]
    rows += [{"level": "lineage", "text": str(lineage)} for lineage in diagnosis.similarities]
    for row in rows:
        if row["level"] == "warning":
            _log.warning("merge: %s", row["text"])
    write_json(folder / TABLES, {"tables": [{"title": "What the merge doctor found", "rows": rows}]})
