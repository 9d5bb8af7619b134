"""``merge``: one model from several, by a recipe in mergekit's format, or a soup."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel
from typing_extensions import override

from components import metrics
from components.analysis.table import Table
from components.errors import AntiphonError, ConfigError
from components.files.files import disk_full_as_store_error, write_json
from components.merging.config import CHOICE_VERSION, NODE, VERSION, MergeConfig, role_of
from components.merging.kinds.task_vector import TaskVectorSettings, name_for_others, read_vector
from components.merging.recipe.model_names import reference_of
from components.merging.recipe.vectors import fill_vectors, held_vectors
from components.nodes.facts import Facts
from components.nodes.node_context import NodeContext
from components.run_record import StageRef
from components.storage.stages.whole_stage import TABLES, WORK, StageFiles
from components.training.kinds.model_kind import ModelKind
from components.translation.config import VERSION as TRANSLATION_VERSION

if TYPE_CHECKING:
    from components.merging.checks import Diagnosis

MODEL = "model"
STOCK = "/model_stock/2"
"""From 2 on tensors whose deltas cancel are the base's; they were NaN."""
SCORING = ("sentencepiece", "sacrebleu", "jiwer", "llvmlite")
"""Distributions that decide scores on development data, beside those of every merge."""
_log = logging.getLogger("antiphon.merging")


class Merge(ModelKind[MergeConfig]):
    """Checks the models of a recipe and merges them."""

    name = "merge"
    summary = "models -> one model: mergekit's recipe, task vectors, a uniform or greedy soup"
    settings = MergeConfig
    version = str(VERSION)
    libraries = ("torch", "numpy", "safetensors", "transformers")

    @override
    def facts(self, settings: MergeConfig) -> Facts:
        facts = super().facts(settings)
        try:
            recipe = settings.to_recipe()
        except AntiphonError:
            return facts  # check reports a recipe that cannot be read
        decides = f"/dev/{CHOICE_VERSION}/{TRANSLATION_VERSION}/{metrics.version}" if settings.chooses else ""
        further = (*(("peft",) if recipe.adapters else ()), *(SCORING if settings.chooses else ()))
        return replace(
            facts,
            version=facts.version + (STOCK if recipe.method == "model_stock" else "") + decides,
            libraries=tuple(dict.fromkeys((*facts.libraries, *further))),
            models={role_of(model, recipe): reference_of(model, recipe) for model in recipe.sources},
            tables={
                role_of(name, recipe): name.removeprefix(NODE)
                for name in held_vectors(recipe)
                if name.startswith(NODE)
            },
        )

    @override
    def check_table(self, settings: MergeConfig, context: NodeContext, role: str, maker: BaseModel) -> None:
        """Refuse a table that is no task vector."""
        if not isinstance(maker, TaskVectorSettings):
            raise ConfigError(f"expected a node of kind task_vector, found {role}")

    @override
    def check(self, settings: MergeConfig, context: NodeContext) -> None:
        """Check its method, its parameters and its models' names."""
        from components.merging import preflight  # noqa: PLC0415 - imports torch
        from components.merging.statistics.data_sets import DataSets  # noqa: PLC0415 - imports torch

        preflight.check_recipe(settings.to_recipe(), context.store, DataSets.of_settings(settings))
        super().check(settings, context)

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

        recipe = settings.to_recipe()
        known_as = self._references(settings, context)
        if held := held_vectors(recipe):
            known = {name: read_vector(name, role_of(name, recipe), context) for name in held}
            recipe = fill_vectors(recipe, known)
        diagnosis = examine_recipe(recipe, context.store, known_as)
        diagnosis.require()
        sets = DataSets.of_settings(settings)
        options = MergeOptions(
            seed=context.seed, store=context.store, references=known_as, data=sets, device=settings.device
        )
        tables, notes = [_report_findings(diagnosis)], list[str]()
        if settings.chooses:
            from components.merging.choice import choose  # noqa: PLC0415 - imports torch

            labels = {f"store:{ref.key}": f"{NODE}{ref.stage}" for ref in context.tables.values()}
            recipe, chosen = choose(settings, recipe, options, folder / WORK, labels, context.progress)
            _log.info("merge: %s", chosen.title)
            tables.insert(0, chosen)
            notes = [f"{chosen.title}, {chosen.note}"]
        else:
            context.progress(50.0)
        write_json(folder / TABLES, {"tables": [table.to_json() for table in tables], "notes": notes})
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
        recipe = settings.to_recipe()
        models = self.facts(settings).models
        return {
            name: name_for_others(models[role], role, context)
            for name in recipe.sources
            if NODE in models[role := role_of(name, recipe)]
        }


def _report_findings(diagnosis: Diagnosis) -> Table:
    """Return what the checks found as a table, and log its warnings."""
    rows = [{"level": finding.level, "text": finding.text} for finding in diagnosis.findings]
    rows += [{"level": "lineage", "text": str(lineage)} for lineage in diagnosis.similarities]
    for row in rows:
        if row["level"] == "warning":
            _log.warning("merge: %s", row["text"])
    return Table("What the merge doctor found", rows=tuple(rows))
