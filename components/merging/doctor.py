"""Examines a merge before it is done: what cannot be averaged is refused, what is doubtful is said aloud."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple

import torch

from components.errors import MergeError
from components.merging import tokens
from components.merging.folders import Folder
from components.merging.lineage import Lineage, compare
from components.merging.operands import PIECE
from components.merging.packaging import donor
from components.merging.parameters import check
from components.merging.planning import plan
from components.merging.recipe import Recipe
from components.merging.tying import counterpart, ties
from components.merging.vocabularies import vocabulary_size
from components.records import Checkpoint

Level = Literal["refused", "warning", "note"]
FUNCTION = (
    *("num_attention_heads", "num_key_value_heads", "head_dim", "n_head", "num_heads", "d_kv"),
    *("encoder_attention_heads", "decoder_attention_heads", "relative_attention_num_buckets"),
    *("hidden_act", "activation_function", "feed_forward_proj", "scale_embedding", "is_gated_act"),
)
"""Settings that change what the same weights compute: models that differ in them cannot be averaged."""
DOUBTFUL = (
    *("rope_theta", "rope_scaling", "rope_parameters", "rms_norm_eps", "layer_norm_eps"),
    *("layer_norm_epsilon", "sliding_window", "max_position_embeddings", "normalize_before"),
)
SPECIAL = (
    *("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "unk_token_id"),
    *("forced_bos_token_id", "forced_eos_token_id"),
)


class Finding(NamedTuple):
    """One thing that the doctor has to say."""

    level: Level
    text: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.level}: {self.text}"


class Diagnosis(NamedTuple):
    """All findings, the lineage of every model, and the number of tensors that would be merged."""

    findings: tuple[Finding, ...]
    lineages: tuple[Lineage, ...]
    tensors: int

    @property
    def refused(self) -> tuple[Finding, ...]:
        """Why the merge cannot be done; empty if it can."""
        return tuple(finding for finding in self.findings if finding.level == "refused")

    def require(self) -> None:
        """Raise :class:`MergeError` if the merge cannot be done."""
        if self.refused:
            more = f" (and {len(self.refused) - 1} more)" if len(self.refused) > 1 else ""
            raise MergeError(self.refused[0].text + more)


def examine(
    recipe: Recipe, folders: Mapping[str, Folder], checkpoints: Mapping[str, Checkpoint]
) -> Diagnosis:
    """Examine configuration, tensors, vocabularies, tied weights, values, lineage. Reads every weight once.

    Raises:
        MergeError, ModelError: the recipe or a file cannot be read at all.
    """
    findings = [Finding("warning", text) for text in (*recipe.warnings, *check(recipe))]
    first, *others = [folders[model] for model in recipe.models]
    for other in others:
        findings += _configurations(first, other, checkpoints)
        findings += _names(first, other)
        findings += _vocabularies(recipe, first, other, checkpoints)
    for folder in folders.values():
        findings += _tied(folder)
        findings += _values(folder)
    count = 0
    if not any(finding.level == "refused" for finding in findings):
        findings += _attempt(lambda: plan(recipe, folders, tokens.align(recipe, folders)[0], 0))
        count = len(donor(recipe, folders).tensors)
    lineages = tuple(found for other in others if (found := compare(other, first)) is not None)
    if recipe.method != "passthrough":
        findings += [_unrelated(found) for found in lineages if not found.related]
    return Diagnosis(tuple(findings), lineages, count)


def _attempt(call: Callable[[], object]) -> Iterator[Finding]:
    try:
        call()
    except MergeError as error:
        yield Finding("refused", str(error))


def _unrelated(lineage: Lineage) -> Finding:
    return Finding(
        "warning",
        f"DIFFERENT INITIALISATIONS: {lineage}; the average of such models is noise: merge descendants of "
        "one model, or combine these by an ensemble (antiphon run ensemble)",
    )


def _configurations(first: Folder, other: Folder, checkpoints: Mapping[str, Checkpoint]) -> Iterator[Finding]:
    kinds = [checkpoints[folder.reference].architecture for folder in (first, other)]
    pair = f"{first.reference} and {other.reference}"
    if kinds[0] != kinds[1]:
        yield Finding("refused", f"{pair}: expected one architecture, found {kinds[0]} and {kinds[1]}")
        return
    rules: tuple[tuple[tuple[str, ...], Level, str], ...] = (
        (FUNCTION, "refused", "the same weights mean another function"),
        (DOUBTFUL, "warning", "the output takes the first model's"),
        (SPECIAL, "warning", "the output takes the first model's: does it end and start as it should?"),
    )
    for names, level, why in rules:
        for name in names:
            a, b = first.config.get(name), other.config.get(name)
            if a != b:
                yield Finding(level, f"{pair}: config.json has {name} {a!r} and {b!r}; {why}")


def _names(first: Folder, other: Folder) -> Iterator[Finding]:
    """Tensors that only one of two models has, and shapes that differ (the vocabulary's axis is planned)."""
    if ties(first.config) != ties(other.config):
        yield Finding(
            "warning",
            f"{first.reference} and {other.reference}: only one ties its embeddings (tie_word_embeddings); "
            "the output does as the first",
        )
    for a, b in ((first, other), (other, first)):
        missing = [name for name in a.tensors if counterpart(name, b.tensors) is None]
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
        and (same := counterpart(name, other.tensors)) is not None
        and other.tensors[same].numel == entry.numel
        and not torch.equal(first.read(entry), other.read(other.tensors[same]))
    ]
    if changed:
        yield Finding("warning", f"{changed[0]}: integers differ and are not merged; the first model's stay")


def _vocabularies(
    recipe: Recipe, first: Folder, other: Folder, checkpoints: Mapping[str, Checkpoint]
) -> Iterator[Finding]:
    digests = {checkpoints[folder.reference].tokenizer_sha256 for folder in (first, other)}
    if recipe.vocabulary is not None or len(digests) == 1:
        return
    pair = f"{first.reference} and {other.reference}"
    try:
        one, two = (tokens.load(folder).get_vocab() for folder in (first, other))
    except MergeError as error:
        yield Finding("warning", f"{pair}: tokenizers differ and cannot be compared ({error})")
        return
    size = min(vocabulary_size(first), vocabulary_size(other))
    rows = {row: token for token, row in one.items()}
    moved = [token for token, row in two.items() if row < size and rows.get(row, token) != token]
    if moved:
        yield Finding(
            "refused",
            f"{pair}: {len(moved)} of {size} token numbers mean other tokens ({moved[0]!r} first); set "
            "tokenizer_source: union (or base) to align the embeddings",
        )
    else:
        yield Finding("note", f"{pair}: tokenizers differ in files, not in token numbers")


def _tied(folder: Folder) -> Iterator[Finding]:
    """Weights that the configuration ties and the file stores twice must be the same."""
    for name, kept in folder.tied.items():
        a, b = folder.stored[name], folder.stored[kept]
        same = a.shape == b.shape and all(
            torch.equal(folder.read(a, start, stop), folder.read(b, start, stop))
            for start, stop in _pieces(a.numel)
        )
        if not same:
            yield Finding(
                "refused",
                f"{folder.reference}: config.json ties {name} to {kept}, but their values differ; set "
                "tie_word_embeddings to false or fix the checkpoint",
            )


def _values(folder: Folder) -> Iterator[Finding]:
    """Every value is finite. One sum tells for a piece: NaN and infinity survive it."""
    for name, entry in folder.tensors.items():
        if not entry.dtype.is_floating_point:
            continue
        bad = 0
        for start, stop in _pieces(entry.numel):
            piece = folder.read(entry, start, stop)
            if not piece.sum(dtype=torch.float32).isfinite():
                bad += int((~piece.isfinite()).sum())
        if bad:
            yield Finding(
                "refused", f"{folder.reference}: tensor {name} has {bad} values that are not finite"
            )


def _pieces(total: int) -> Iterator[tuple[int, int]]:
    for start in range(0, total, PIECE):
        yield start, min(start + PIECE, total)
