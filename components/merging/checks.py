"""Checks of the models of a merge: what cannot be averaged is refused, what is doubtful is a warning.

On the command line they are "the doctor".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from components.errors import MergeError
from components.merging.adapters.merge import describe, open_adapters
from components.merging.io.input_models import NO_REFERENCES, open_models
from components.merging.io.model_folder import ModelFolder
from components.merging.io.output_files import donor_of
from components.merging.methods.table import METHODS
from components.merging.methods.task_vectors.ties_whole_model import check_whole_models
from components.merging.methods.validation import check_method
from components.merging.model_findings import (
    Finding,
    check_finite,
    check_tied_weights,
    compare_configs,
    compare_tensors,
    compare_vocabularies,
)
from components.merging.plan import plan_merge
from components.merging.recipe.recipe import Recipe
from components.merging.tokenizer import transplant
from components.merging.tokenizer.embedding_alignment import vocabulary_size
from components.merging.tokenizer.output_tokenizer import build_tokenizer
from components.merging.weight_similarity import WeightSimilarity, compare_weights
from components.models.tokenizer_files import missing_tokenizer_files
from components.records import Checkpoint


class Diagnosis(NamedTuple):
    """All results of the checks.

    Attributes:
        findings: in the order of the checks.
        similarities: of each model's weights to those of the first; without models that share no matrices.
        tensors: how many tensors the output would have; 0 where a model is refused.
    """

    findings: tuple[Finding, ...]
    similarities: tuple[WeightSimilarity, ...]
    tensors: int

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """Why the merge cannot be done; empty if it can."""
        return tuple(finding for finding in self.findings if finding.level == "refused")

    def require(self) -> None:
        """Raise :class:`MergeError` with the first reason where the merge cannot be done."""
        if self.refusals:
            more = f" (and {len(self.refusals) - 1} more)" if len(self.refusals) > 1 else ""
            raise MergeError(self.refusals[0].text + more)


def examine(
    recipe: Recipe, folders: Mapping[str, ModelFolder], checkpoints: Mapping[str, Checkpoint]
) -> Diagnosis:
    """Check configurations, tensors, vocabularies, tied weights, values, and the similarity of the weights.

    Every weight is read once.

    Args:
        recipe: what shall be merged.
        folders: its models by name.
        checkpoints: the same models as they were resolved.

    Raises:
        MergeError: The recipe's method or parameters are wrong.
        ModelError: A file cannot be read.
    """
    findings = [Finding("warning", text) for text in (*recipe.warnings, *check_method(recipe))]
    first, *others = [folders[model] for model in recipe.models]
    for other in others:
        findings += compare_configs(recipe, first, other, checkpoints)
        findings += compare_tensors(first, other)
        findings += compare_vocabularies(recipe, first, other, checkpoints)
    for folder in folders.values():
        findings += check_tied_weights(folder)
        findings += check_finite(folder)
    findings += _check_tokenizer(recipe, donor_of(recipe, folders))
    count = 0
    if not any(finding.level == "refused" for finding in findings):
        findings += _try_plan(recipe, folders)
        count = len(donor_of(recipe, folders).tensors)
    compared = [compare_weights(other, first) for other in others]
    similarities = tuple(similarity for similarity in compared if similarity is not None)
    if recipe.method != "passthrough":
        findings += [_report_unrelated(s) for s in similarities if not s.is_related]
    return Diagnosis(tuple(findings), similarities, count)


def examine_recipe(
    recipe: Recipe, store: str | None, references: Mapping[str, str] = NO_REFERENCES
) -> Diagnosis:
    """Check the models of a recipe, or its adapters.

    Of a recipe of several stages those are checked whose models exist; the merge checks the others.

    Args:
        recipe: what shall be merged.
        store: folder or URL of the store that ``store:KEY`` refers to; None for the default.
        references: see :func:`~components.merging.io.input_models.open_models`.

    Raises:
        ConfigError: Adapters cannot be merged, as PEFT is not installed.
        MergeError: The recipe's method or parameters are wrong, or its adapters do not fit together.
        ModelError: A file cannot be read.
    """
    if not recipe.stages:
        return examine_stage(recipe, store, references)
    names = {stage.name for stage in recipe.stages}
    results = []
    findings: list[Finding] = []
    for stage in (*recipe.stages, recipe):
        if names.isdisjoint(stage.models):
            results.append(examine_stage(stage, store, references))
            findings += results[-1].findings
        else:
            findings.append(
                Finding("note", f"stage {stage.name or 'the last'}: checked when its models exist")
            )
    similarities = tuple(similarity for result in results for similarity in result.similarities)
    return Diagnosis(tuple(findings), similarities, max(result.tensors for result in results))


def _examine_transplant(recipe: Recipe, folders: Mapping[str, ModelFolder]) -> Diagnosis:
    """Check two models of which one takes the other's tokenizer: they may be of different architectures."""
    findings = [Finding("warning", text) for text in (*recipe.warnings, *check_method(recipe))]
    model, donor = transplant.pair_of(recipe, folders)
    for folder in (model, donor):
        vocabulary_size(folder)
        findings += check_finite(folder)
    return Diagnosis(tuple(findings), (), len(model.tensors))


def examine_stage(recipe: Recipe, store: str | None, references: Mapping[str, str]) -> Diagnosis:
    """Check the models of a single stage; see :func:`examine_recipe`."""
    if not recipe.adapters:
        with open_models(recipe, store, references) as models:
            if recipe.method == transplant.METHOD:
                return _examine_transplant(recipe, models[0])
            return examine(recipe, *models)
    adapters = open_adapters(recipe, store, references)
    findings = tuple(Finding("note", line) for line in describe(recipe, adapters))
    return Diagnosis(findings, (), sum(len(adapter.shapes) for adapter in adapters))


def _try_plan(recipe: Recipe, folders: Mapping[str, ModelFolder]) -> Iterator[Finding]:
    try:
        alignment, _ = build_tokenizer(recipe, folders)
        tasks = plan_merge(recipe, folders, alignment, 0)
        check_whole_models(METHODS[recipe.method].family, tasks)
    except MergeError as error:
        yield Finding("refused", str(error))


def _check_tokenizer(recipe: Recipe, donor: ModelFolder) -> Iterator[Finding]:
    """The files of the tokenizer that the output copies, if any; a tokenizer that it gets anew is loaded."""
    missing = missing_tokenizer_files(donor.path) if recipe.tokenizer is None and recipe.name is None else ""
    if missing:
        yield Finding(
            "warning",
            f"{donor.reference}: has no {missing}, so that the output has no tokenizer either; copy them "
            "there from the model that this one was made of before it is used",
        )


def _report_unrelated(similarity: WeightSimilarity) -> Finding:
    return Finding(
        "warning",
        f"DIFFERENT INITIALIZATIONS: {similarity}; the average of such models is noise: merge descendants of "
        "one model, or combine these by an ensemble (antiphon run ensemble)",
    )
