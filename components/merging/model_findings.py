"""What two models of a merge have in common, and what is wrong with one alone: findings of their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

import torch

from components.errors import MergeError
from components.merging.architecture.tied_weights import find_stored_name, ties_embeddings
from components.merging.io.model_folder import ModelFolder
from components.merging.io.output_files import SPECIAL_TOKENS
from components.merging.io.tensor_task import PIECE_ELEMENTS
from components.merging.recipe.recipe import Recipe
from components.merging.tokenizer.embedding_alignment import vocabulary_size
from components.merging.tokenizer.output_tokenizer import load_tokenizer
from components.records import Checkpoint

Level = Literal["refused", "warning", "note"]
FUNCTION_KEYS = (
    *("num_attention_heads", "num_key_value_heads", "head_dim", "n_head", "num_heads", "d_kv"),
    *("encoder_attention_heads", "decoder_attention_heads", "relative_attention_num_buckets"),
    *("hidden_act", "activation_function", "feed_forward_proj", "scale_embedding", "is_gated_act"),
    *("num_experts_per_tok", "norm_topk_prob", "encoder_routing"),
)
"""Keys of ``config.json`` that decide what weights compute: models that differ in them cannot be averaged."""
DOUBTFUL_KEYS = (
    *("rope_theta", "rope_scaling", "rope_parameters", "rms_norm_eps", "layer_norm_eps"),
    *("layer_norm_epsilon", "sliding_window", "max_position_embeddings", "normalize_before"),
)
"""Keys that change little: models that differ may still be averaged."""


class Finding(NamedTuple):
    """One result of the checks: how serious it is, and a line of text."""

    level: Level
    text: str

    def __str__(self) -> str:
        """Return the line that the command prints."""
        return f"{self.level}: {self.text}"


def compare_configs(
    recipe: Recipe, first: ModelFolder, other: ModelFolder, checkpoints: Mapping[str, Checkpoint]
) -> Iterator[Finding]:
    """Compare architectures, and keys of the configurations that decide what weights compute."""
    kinds = [checkpoints[folder.reference].architecture for folder in (first, other)]
    pair = f"{first.reference} and {other.reference}"
    if kinds[0] != kinds[1]:
        yield Finding("refused", f"{pair}: expected one architecture, found {kinds[0]} and {kinds[1]}")
        return
    rules: tuple[tuple[tuple[str, ...], Level, str], ...] = (
        (FUNCTION_KEYS, "refused", "the same weights mean another function"),
        (DOUBTFUL_KEYS, "warning", "the output takes the first model's"),
        (
            SPECIAL_TOKENS if recipe.tokenizer is None else (),  # else they are the output tokenizer's
            "warning",
            "the output takes the first model's: does it end and start as it should?",
        ),
    )
    for names, level, reason in rules:
        for name in names:
            a, b = first.config.get(name), other.config.get(name)
            if a != b:
                yield Finding(level, f"{pair}: config.json has {name} {a!r} and {b!r}; {reason}")


def compare_tensors(first: ModelFolder, other: ModelFolder) -> Iterator[Finding]:
    """Compare two models: tensors that one lacks, shapes that differ (the vocabulary's axis is planned)."""
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


def compare_vocabularies(
    recipe: Recipe, first: ModelFolder, other: ModelFolder, checkpoints: Mapping[str, Checkpoint]
) -> Iterator[Finding]:
    """Find token numbers that mean other tokens, where the recipe does not align vocabularies."""
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


def check_tied_weights(folder: ModelFolder) -> Iterator[Finding]:
    """Check that weights that the configuration ties and the files store twice have the same values."""
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


def check_finite(folder: ModelFolder) -> Iterator[Finding]:
    """Check that every value is finite. A piece whose sum is finite has no others: NaN, infinity survive."""
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
