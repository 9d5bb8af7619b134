"""Give a model another model's tokenizer: embeddings of new tokens from those of tokens that both have.

Orthogonal matching pursuit (Pati et al. 1993; Goddard & Fernandes Neto 2025 for tokenizers): a token that the
model lacks is a sparse sum of shared tokens in the other model's embedding, and the same sum of the model's
own rows becomes its row. Shared tokens keep their rows; nothing is trained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from components.errors import MergeError
from components.merging.io import output_files
from components.merging.io.model_folder import ModelFolder
from components.merging.io.tensor_writer import TensorSpec, TensorWriter
from components.merging.methods.table import METHODS
from components.merging.recipe.parameters import resolve_parameter
from components.merging.recipe.recipe import Recipe, TokenizerConfig
from components.merging.tokenizer.embedding_alignment import VocabularyAlignment, vocabulary_size
from components.merging.tokenizer.output_tokenizer import load_tokenizer

METHOD = "transplant_tokenizer"
_BATCH = 256


class Transplant(NamedTuple):
    """How each row of the new vocabulary is made of the model's rows.

    Attributes:
        rows: rows of the model (new tokens, k).
        factors: what they are multiplied by, of the same shape; 0 where a token has fewer.
    """

    rows: Tensor
    factors: Tensor


def transplant_tokenizer(recipe: Recipe, folders: Mapping[str, ModelFolder], out: Path, count: int) -> None:
    """Write the base of a recipe with the tokenizer of its only other model into an empty folder.

    Args:
        recipe: names the base and the other model, of any architecture.
        folders: both, opened.
        out: where to write.
        count: shared tokens that a new one is made of.

    Raises:
        MergeError: There are not two models, or they share fewer tokens than ``count``.
    """
    model, donor = pair_of(recipe, folders)
    plan = plan_transplant(model, donor, count)
    alignment = VocabularyAlignment({recipe.models[0]: model}, {}, (), None, TokenizerConfig("", 1, {}))
    axes = {n: alignment.vocabulary_axis(recipe.models[0], n, t.shape) for n, t in model.tensors.items()}
    specs = []
    for name, location in model.tensors.items():
        shape = tuple(len(plan.rows) if i == axes[name] else size for i, size in enumerate(location.shape))
        specs.append(TensorSpec(name, location.dtype, shape))
    writer = TensorWriter(out, specs)

    def tensors() -> Iterator[tuple[str, list[Tensor]]]:
        for name in (name for file in writer.order for name in file):
            location = model.tensors[name]
            tensor, axis = model.read(location).view(location.shape), axes[name]
            yield name, [tensor if axis is None else _move(tensor, axis, plan)]

    writer.write(tensors())
    _write_files(recipe, folders, model, donor, out, len(plan.rows))


def read_count(recipe: Recipe) -> int:
    """Return how many shared tokens a new one is made of, as the recipe says."""
    parameter = METHODS[METHOD].parameters["k"]
    return int(float(resolve_parameter("k", parameter, [recipe.parameters], "the embedding", 0.0) or 0))


def pair_of(recipe: Recipe, folders: Mapping[str, ModelFolder]) -> tuple[ModelFolder, ModelFolder]:
    """Return the model that keeps its weights, and the one whose tokenizer is taken."""
    if recipe.base_model is None or len(recipe.models) != 2:
        raise MergeError(
            f"{recipe.where}: {METHOD}: expected base_model and one other model, whose tokenizer is taken, "
            f"found {', '.join(recipe.models)}"
        )
    return folders[recipe.models[0]], folders[recipe.models[1]]


def plan_transplant(model: ModelFolder, donor: ModelFolder, count: int) -> Transplant:
    """Find the rows and factors of every token of the donor's vocabulary.

    Raises:
        MergeError: The vocabularies share fewer tokens than ``count``.
    """
    own, new = (
        {t: row for t, row in load_tokenizer(f).get_vocab().items() if row < vocabulary_size(f)}
        for f in (model, donor)
    )
    shared = sorted(new.keys() & own.keys(), key=lambda token: new[token])
    if not 0 < count <= len(shared):
        raise MergeError(
            f"{model.reference}: expected k from 1 to the number of tokens that it shares with "
            f"{donor.reference} ({len(shared)}), found {count}"
        )
    size = max(new.values()) + 1
    rows, factors = torch.zeros(size, count, dtype=torch.long), torch.zeros(size, count)
    for token in shared:
        rows[new[token], 0], factors[new[token], 0] = own[token], 1.0
    missing = sorted(new[token] for token in new.keys() - own.keys())
    embedding = _embedding_of(donor)
    atoms = embedding[[new[token] for token in shared]]
    own_rows = torch.tensor([own[token] for token in shared])
    for start in range(0, len(missing), _BATCH):
        batch = missing[start : start + _BATCH]
        chosen, factors[batch] = orthogonal_matching_pursuit(embedding[batch], atoms, count)
        rows[batch] = own_rows[chosen]
    return Transplant(rows, factors)


def orthogonal_matching_pursuit(targets: Tensor, atoms: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Approximate vectors by sums of a few others, chosen one after the other.

    Args:
        targets: vectors (n, d), float32.
        atoms: vectors to choose from (m, d).
        count: how many are chosen for each.

    Returns:
        The numbers of the atoms that were chosen (n, count), each the most parallel to what was left, and
        their factors (n, count), by least squares.
    """
    units = torch.nn.functional.normalize(atoms, dim=1)
    left, basis = targets.clone(), torch.zeros(len(targets), 0, targets.shape[1])
    selected = torch.zeros(len(targets), 0, dtype=torch.long)
    for _ in range(count):
        parallel = (left @ units.T).abs().scatter_(1, selected, -1.0)
        best = parallel.argmax(1, keepdim=True)
        selected = torch.cat([selected, best], 1)
        direction = units[best]
        direction = direction - (direction @ basis.mT) @ basis
        basis = torch.cat([basis, torch.nn.functional.normalize(direction, dim=2, eps=1e-6)], 1)
        left = left - (left[:, None] @ basis[:, -1:].mT @ basis[:, -1:])[:, 0]
    solution = torch.linalg.lstsq(atoms[selected].mT.double(), targets[..., None].double(), driver="gelsd")
    return selected, solution.solution[..., 0].to(targets.dtype)


def _embedding_of(folder: ModelFolder) -> Tensor:
    """Return the input embedding (tokens, width), float32."""
    size = vocabulary_size(folder)
    for name, location in folder.tensors.items():
        if len(location.shape) == 2 and location.shape[0] == size and "head" not in name:
            return folder.read(location).view(location.shape).float()
    raise MergeError(f"{folder.reference}: expected an embedding of {size} tokens, found none")


def _move(tensor: Tensor, axis: int, plan: Transplant) -> Tensor:
    """Return a tensor with the new vocabulary along ``axis``."""
    rows = tensor.movedim(axis, 0)
    moved = torch.stack(
        [torch.tensordot(plan.factors[i], rows[plan.rows[i]].float(), dims=1) for i in range(len(plan.rows))]
    )
    return moved.movedim(0, axis).to(tensor.dtype).contiguous()


def _write_files(
    recipe: Recipe,
    folders: Mapping[str, ModelFolder],
    model: ModelFolder,
    donor: ModelFolder,
    out: Path,
    size: int,
) -> None:
    """The model's configuration with the donor's tokens, and the donor's tokenizer."""
    config = {**model.config, "vocab_size": size}
    if "decoder_vocab_size" in config:
        config["decoder_vocab_size"] = size
    output_files.write_files(out, recipe, folders, config, tokenizer=False, tokens=donor)
    load_tokenizer(donor).save_pretrained(out)
