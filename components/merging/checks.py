"""Checks of the models of a merge: what cannot be averaged is refused, what is doubtful is a warning.

On the command line they are "the doctor".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

import torch

from components.errors import MergeError
from components.merging.adapters.merge import describe, open_adapters
from components.merging.architecture.tied_weights import find_stored_name, ties_embeddings
from components.merging.io.input_models import NO_REFERENCES, open_models
from components.merging.io.model_folder import ModelFolder
from components.merging.io.output_files import donor_of
from components.merging.io.tensor_task import PIECE_ELEMENTS
from components.merging.methods.validation import check_method
from components.merging.plan import plan_merge
from components.merging.recipe.recipe import Recipe
from components.merging.tokenizer import transplant
from components.merging.tokenizer.embedding_alignment import vocabulary_size
from components.merging.tokenizer.output_tokenizer import build_tokenizer, load_tokenizer
from components.merging.weight_similarity import WeightSimilarity, compare_weights
from components.records import Checkpoint

Level = Literal["refused", "warning", "note"]
FUNCTION_KEYS = (
    *("num_attention_heads", "num_key_value_heads", "head_dim", "n_head", "num_heads", "d_kv"),
    *("encoder_attention_heads", "decoder_attention_heads", "relative_attention_num_buckets"),
    *("hidden_act", "activation_function", "feed_forward_proj", "scale_embedding", "is_gated_act"),
)
"""Keys of ``config.json`` that decide what weights compute: models that differ in them cannot be averaged."""
DOUBTFUL_KEYS = (
    *("rope_theta", "rope_scaling", "rope_parameters", "rms_norm_eps", "layer_norm_eps"),
    *("layer_norm_epsilon", "sliding_window", "max_position_embeddings", "normalize_before"),
)
"""Keys that change little: models that differ may still be averaged."""
SPECIAL_TOKEN_KEYS = (
    *("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "unk_token_id"),
    *("forced_bos_token_id", "forced_eos_token_id"),
)


class Finding(NamedTuple):
    """One result of the checks: how serious it is, and a line of text."""

    level: Level
    text: str

    def __str__(self) -> str:
        """The line that the command prints."""
        return f"{self.level}: {self.text}"


class Diagnosis(NamedTuple):
    """All results of the checks.

    Attributes:
        findings: In the order of the checks.
        similarities: Of each model's weights to those of the first; without models that share no matrices.
        tensors: How many tensors the output would have; 0 where a model is refused.
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
        recipe: What shall be merged.
        folders: Its models by name.
        checkpoints: The same models as they were resolved.

    Raises:
        MergeError: The recipe's method or parameters are wrong.
        ModelError: A file cannot be read.
    """
    findings = [Finding("warning", text) for text in (*recipe.warnings, *check_method(recipe))]
    first, *others = [folders[model] for model in recipe.models]
    for other in others:
        findings += _compare_configs(first, other, checkpoints)
        findings += _compare_tensors(first, other)
        findings += _compare_vocabularies(recipe, first, other, checkpoints)
    for folder in folders.values():
        findings += _check_tied_weights(folder)
        findings += _check_finite(folder)
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
        recipe: What shall be merged.
        store: Folder or URL of the store that ``store:KEY`` refers to; None for the default.
        references: See :func:`~components.merging.io.input_models.open_models`.

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
        findings += _check_finite(folder)
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
        plan_merge(recipe, folders, alignment, 0)
    except MergeError as error:
        yield Finding("refused", str(error))


def _report_unrelated(similarity: WeightSimilarity) -> Finding:
    return Finding(
        "warning",
        f"DIFFERENT INITIALIZATIONS: {similarity}; the average of such models is noise: merge descendants of "
        "one model, or combine these by an ensemble (antiphon run ensemble)",
    )


def _compare_configs(
    first: ModelFolder, other: ModelFolder, checkpoints: Mapping[str, Checkpoint]
) -> Iterator[Finding]:
    kinds = [checkpoints[folder.reference].architecture for folder in (first, other)]
    pair = f"{first.reference} and {other.reference}"
    if kinds[0] != kinds[1]:
        yield Finding("refused", f"{pair}: expected one architecture, found {kinds[0]} and {kinds[1]}")
        return
    rules: tuple[tuple[tuple[str, ...], Level, str], ...] = (
        (FUNCTION_KEYS, "refused", "the same weights mean another function"),
        (DOUBTFUL_KEYS, "warning", "the output takes the first model's"),
        (
            SPECIAL_TOKEN_KEYS,
            "warning",
            "the output takes the first model's: does it end and start as it should?",
        ),
    )
    for names, level, reason in rules:
        for name in names:
            a, b = first.config.get(name), other.config.get(name)
            if a != b:
                yield Finding(level, f"{pair}: config.json has {name} {a!r} and {b!r}; {reason}")


def _compare_tensors(first: ModelFolder, other: ModelFolder) -> Iterator[Finding]:
    """Tensors that only one of two models has, and shapes that differ (the vocabulary's axis is planned)."""
    if ties_embeddings(first.config) != ties_embeddings(other.config):
        yield Finding(
            "warning",
            f"{first.reference} and {other.reference}: only one ties its embeddings (tie_word_embeddings); "
            "the output does as the first",
        )
    for a, b in ((first, other), (other, first)):
        missing = [name for name in a.tensors if find_stored_name(name, b.tensors) is None]
        if missing:
            yield Finding(
                "refused",
                f"{b.reference}: has no tensor {missing[0]}, which {a.reference} has "
                f"({len(missing)} such); only models of one architecture and size can be averaged",
            )
    changed = [
        name
        for name, entry in first.tensors.items()
        if not entry.dtype.is_floating_point
        and (same := find_stored_name(name, other.tensors)) is not None
        and other.tensors[same].numel == entry.numel
        and not torch.equal(first.read(entry), other.read(other.tensors[same]))
    ]
    if changed:
        yield Finding("warning", f"{changed[0]}: integers differ and are not merged; the first model's stay")


def _compare_vocabularies(
    recipe: Recipe, first: ModelFolder, other: ModelFolder, checkpoints: Mapping[str, Checkpoint]
) -> Iterator[Finding]:
    digests = {checkpoints[folder.reference].tokenizer_sha256 for folder in (first, other)}
    if recipe.tokenizer is not None or len(digests) == 1:
        return
    pair = f"{first.reference} and {other.reference}"
    try:
        first_vocabulary, other_vocabulary = (load_tokenizer(folder).get_vocab() for folder in (first, other))
    except MergeError as error:
        yield Finding("warning", f"{pair}: tokenizers differ and cannot be compared ({error})")
        return
    size = min(vocabulary_size(first), vocabulary_size(other))
    rows = {row: token for token, row in first_vocabulary.items()}
    moved = [token for token, row in other_vocabulary.items() if row < size and rows.get(row, token) != token]
    if moved:
        yield Finding(
            "refused",
            f"{pair}: {len(moved)} of {size} token numbers mean other tokens ({moved[0]!r} first); set "
            "tokenizer_source: union (or base) to align the embeddings",
        )
    else:
        yield Finding("note", f"{pair}: tokenizers differ in files, not in token numbers")


def _check_tied_weights(folder: ModelFolder) -> Iterator[Finding]:
    """Weights that the configuration ties and the files store twice must have the same values."""
    for name, representative in folder.tied.items():
        a, b = folder.stored[name], folder.stored[representative]
        same = a.shape == b.shape and all(
            torch.equal(folder.read(a, start, stop), folder.read(b, start, stop))
            for start, stop in _spans(a.numel)
        )
        if not same:
            yield Finding(
                "refused",
                f"{folder.reference}: config.json ties {name} to {representative}, but their values differ; "
                "set tie_word_embeddings to false or fix the checkpoint",
            )


def _check_finite(folder: ModelFolder) -> Iterator[Finding]:
    """Every value must be finite. A piece whose sum is finite has no others: NaN and infinity survive it."""
    for name, entry in folder.tensors.items():
        if not entry.dtype.is_floating_point:
            continue
        bad = 0
        for start, stop in _spans(entry.numel):
            piece = folder.read(entry, start, stop)
            if not piece.sum(dtype=torch.float32).isfinite():
                bad += int((~piece.isfinite()).sum())
        if bad:
            yield Finding(
                "refused", f"{folder.reference}: tensor {name} has {bad} values that are not finite"
            )


def _spans(total: int) -> Iterator[tuple[int, int]]:
    for start in range(0, total, PIECE_ELEMENTS):
        yield start, min(start + PIECE_ELEMENTS, total)
