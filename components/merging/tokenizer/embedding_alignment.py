"""Embeddings of models with different vocabularies, rearranged to the token ids of the output.

As in mergekit: a token that a model lacks gets the row of the only model that has it, else of the base, else
the mean of those that have it; one that no model has gets zeros. The recipe's ``tokens`` take precedence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from components.errors import MergeError
from components.merging.io.model_folder import ModelFolder
from components.merging.io.tensor_task import ReadableTensor
from components.merging.recipe.recipe import TokenEmbeddingSource, TokenizerConfig

_VOCABULARY = re.compile(
    r"embed_tokens|shared|wte|word_embeddings|embed_in|embed_out|lm_head|proj_out|logits_bias|output\.weight"
)
Rows = Sequence[tuple[str, int]]
"""The rows, as (model, row), whose mean an output row is; empty for zeros."""


class VocabularyAlignment(NamedTuple):
    """The output's vocabulary beside those of the models.

    Attributes:
        folders: the models by name.
        vocabularies: token -> id of each model.
        tokens: the token of each row of the output; None for a row without one.
        base: the recipe's base model; None without.
        config: what the recipe says of the tokenizer.
    """

    folders: Mapping[str, ModelFolder]
    vocabularies: Mapping[str, Mapping[str, int]]
    tokens: Sequence[str | None]
    base: str | None
    config: TokenizerConfig

    @property
    def rows(self) -> int:
        """Rows of the output's embeddings, padded to the recipe's multiple."""
        return -(-len(self.tokens) // self.config.pad_to_multiple_of) * self.config.pad_to_multiple_of

    def align(
        self, model: str, name: str, tensor: ReadableTensor, other: Callable[[str], ReadableTensor | None]
    ) -> ReadableTensor:
        """Rearrange a tensor along its vocabulary axis to the output's token ids.

        Args:
            model: the model that the tensor is of.
            name: the tensor's name.
            tensor: the tensor.
            other: gives the same tensor of another model by that model's name; None where it has none.

        Returns:
            A tensor that is rearranged while it is read; ``tensor`` itself where it has no such axis.
        """
        axis = self.vocabulary_axis(model, name, tensor.shape)
        if axis is None:
            return tensor
        tensors = {m: t for m in self.vocabularies if (t := other(m)) is not None}
        sources = [self.source_rows(token, model, list(tensors)) for token in self.tokens]
        return AlignedTensor(tensors, sources, axis, self.rows)

    def vocabulary_axis(self, model: str, name: str, shape: tuple[int, ...]) -> int | None:
        """Return the axis along which a tensor has one slice per token; None for tensors without one."""
        size = vocabulary_size(self.folders[model])
        if not _VOCABULARY.search(name) or size not in shape:
            return None
        return shape.index(size)

    def source_rows(self, token: str | None, model: str, models: Sequence[str]) -> Rows:
        """Return the rows whose mean becomes the row of ``token`` in ``model``'s rearranged embedding.

        Args:
            token: the token; None for a row without one.
            model: the model that is rearranged.
            models: the models that have this tensor.

        Raises:
            MergeError: The recipe names a token that its model does not have.
        """
        if token is None:
            return ()
        override = self.config.tokens.get(token)
        own_row = self.row_of(model, token)
        if own_row is not None and not (override and override.force):
            return ((model, own_row),)
        if override is not None:
            return self.rows_from_recipe(token, override)
        candidates = [(m, row) for m in models if (row := self.row_of(m, token)) is not None]
        if len(candidates) > 1 and self.base is not None:
            return [pair for pair in candidates if pair[0] == self.base] or candidates
        return candidates

    def rows_from_recipe(self, token: str, source: TokenEmbeddingSource) -> Rows:
        """Return the row that the recipe's ``tokens`` name for a token. MergeError where there is none."""
        if source.model is None:
            return ()
        source_token = token if source.token is None else source.token
        row = source_token if isinstance(source_token, int) else self.row_of(source.model, source_token)
        if source.model not in self.vocabularies or row is None:
            raise MergeError(
                f"tokenizer.tokens: {token!r}: expected a token of {source.model}, found {source_token!r}"
            )
        return ((source.model, row),)

    def row_of(self, model: str, token: str) -> int | None:
        """Return the row of a token in a model's embedding; None for a token without one."""
        row = self.vocabularies.get(model, {}).get(token)
        return row if row is not None and row < vocabulary_size(self.folders[model]) else None


def vocabulary_size(folder: ModelFolder) -> int:
    """Read a model's number of embedding rows from its ``config.json``. MergeError where it says none."""
    size = folder.config.get("vocab_size")
    if size is None and isinstance(text := folder.config.get("text_config"), dict):
        size = text.get("vocab_size")
    if not isinstance(size, int):
        raise MergeError(f"{folder.reference}: expected vocab_size in config.json, found {size!r}")
    return size


class AlignedTensor:
    """A tensor whose vocabulary axis is rearranged while it is read; rows that pad it are the mean of all.

    Args:
        tensors: the tensor of each model, by the model's name.
        sources: for each token of the output, the rows whose mean it gets.
        axis: the vocabulary axis.
        rows: size of that axis in the output, padding included.
    """

    def __init__(
        self, tensors: Mapping[str, ReadableTensor], sources: Sequence[Rows], axis: int, rows: int
    ) -> None:
        self._tensors, self._sources, self._axis, self._rows = tensors, sources, axis, rows
        first = next(iter(tensors.values()))
        self.shape = tuple(rows if i == axis else n for i, n in enumerate(first.shape))
        self.dtype = first.dtype
        for tensor in tensors.values():
            self.dtype = torch.promote_types(self.dtype, tensor.dtype)
        self._width = 1
        for size in self.shape[1:]:
            self._width *= size
        self._padding: Tensor | None = None

    def read(self, start: int, stop: int) -> Tensor:
        """Return elements ``start`` to ``stop``, flat, in the widest of the models' types."""
        if self._axis > 0:
            return self._columns().reshape(-1)[start:stop]
        first, last = start // self._width, -(-stop // self._width)
        rows = torch.stack([self._row(row) for row in range(first, last)])
        return rows.view(-1)[start - first * self._width : stop - first * self._width].clone()

    def _row(self, row: int) -> Tensor:
        if row >= len(self._sources):
            return self._mean()
        total = torch.zeros(self._width, dtype=self.dtype)
        for model, source_row in self._sources[row]:
            total += self._tensors[model].read(source_row * self._width, (source_row + 1) * self._width)
        return total.div_(max(len(self._sources[row]), 1))

    def _mean(self) -> Tensor:
        """What pads: the mean of all rows (Hewitt 2021, a new word that changes no distribution much)."""
        if self._padding is None:
            total = torch.zeros(self._width, dtype=torch.float64)
            for row in range(len(self._sources)):
                total += self._row(row)
            self._padding = (total / max(len(self._sources), 1)).to(self.dtype)
        return self._padding

    def _columns(self) -> Tensor:
        """A tensor with the vocabulary along another axis (a bias of (1, tokens)): small, read as a whole."""
        tensors = {m: t.read(0, torch.Size(t.shape).numel()).view(t.shape) for m, t in self._tensors.items()}
        parts = []
        for row in range(self._rows):
            rows = self._sources[row] if row < len(self._sources) else ()
            columns = [tensors[model].select(self._axis, source_row) for model, source_row in rows]
            blank = next(iter(tensors.values())).select(self._axis, 0)
            parts.append(torch.stack(columns).mean(0) if columns else torch.zeros_like(blank))
        return torch.stack(parts, self._axis).to(self.dtype)
