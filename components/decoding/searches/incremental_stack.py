"""A multi-source decoder stack run token by token, with a cache that is reordered with the beam."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from components.decoding.caches import kv_cache
from components.decoding.moves import RowLayout, RowTransition
from components.networks.multi_source_transformer import MultiSourceStack, embed_tokens


class IncrementalStack:
    """The last hidden states of a causal stack over several memories, for the R rows of a search.

    Attributes:
        utterances: index of the utterance that each row belongs to (R,).
    """

    def __init__(
        self, model: Any, stack: MultiSourceStack, memories: Sequence[Tensor], masks: Sequence[Tensor | None]
    ) -> None:
        """Project the memories to keys and values.

        Args:
            model: the MarianMTModel whose embedding is used.
            stack: the layers.
            memories: what they attend to, each (n, S, features) for n utterances.
            masks: true where a memory is not padding, each (n, S); None: everywhere.
        """
        self._model, self._stack = model, stack
        self._all_keys, self._all_masks = stack.project_memories(memories), tuple(masks)
        self._cache = kv_cache.growing_cache()
        self._length = 0
        self.utterances = torch.arange(len(memories[0]), device=memories[0].device)
        self._rows = RowLayout(len(self.utterances), self.utterances.device)
        self._keys, self._masks = self._all_keys, self._all_masks

    def reorder(self, beam_indices: Tensor) -> None:
        """Continue, in row r, row ``beam_indices[r]``, LongTensor (R,), of the step before."""
        before = (self._rows.n, self._rows.b, self._rows.cells)
        move = self._rows.move(beam_indices)
        if move.is_identity:
            return
        kv_cache.reorder(self._cache, beam_indices)
        self.utterances = self.utterances[beam_indices]
        if move.remaining is None and before == (move.n, move.b, None):
            return
        rows = self.utterances
        self._keys = [[(k[rows], v[rows]) for k, v in layer] for layer in self._all_keys]
        self._masks = tuple(None if mask is None else mask[rows] for mask in self._all_masks)

    def prepare_step(self, move: RowTransition) -> None:
        """See :class:`components.decoding.moves.FollowsMoves`."""
        self._rows.announce(move)

    def step(self, tokens: Tensor, extra: Tensor | None = None) -> Tensor:
        """Return the hidden states (R, width) of the last layer after ``tokens`` (R,).

        Args:
            tokens: the tokens that the rows take.
            extra: is added to their embeddings, (R, width).

        Returns:
            The states.
        """
        hidden = embed_tokens(self._model, tokens[:, None], self._length)
        if extra is not None:
            hidden = hidden + extra[:, None]
        self._length += 1
        return self._stack(hidden, self._keys, self._masks, cache=self._cache)[:, 0]  # type: ignore[no-any-return]
