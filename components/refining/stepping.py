"""A stack of layers one token at a time: its growing cache, and the memories that follow the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from components.decoding import caches
from components.refining.layers import Stack, embedded


class Steps:
    """Hidden states of a causal stack for the last token of each row; rows may be repeated or left out.

    ``model`` is the MarianMTModel whose embedding is used; ``memories`` (n, S, features) and ``masks`` (n, S)
    are those of the n utterances.
    """

    def __init__(
        self, model: Any, stack: Stack, memories: Sequence[Tensor], masks: Sequence[Tensor | None]
    ) -> None:
        self._model, self._stack = model, stack
        self._all_keys, self._all_masks = stack.keys(memories), tuple(masks)
        self._cache = caches.growing_cache()
        self._length = 0
        self.utterances = torch.arange(len(memories[0]), device=memories[0].device)
        self._keys, self._masks = self._all_keys, self._all_masks

    def follow(self, parents: Tensor) -> None:
        """Row r continues row ``parents[r]`` of the step before."""
        caches.follow(self._cache, parents, len(self.utterances))
        before, self.utterances = self.utterances, self.utterances[parents]
        if len(before) == len(parents) and bool((before == self.utterances).all()):
            return
        rows = self.utterances
        self._keys = [[(k[rows], v[rows]) for k, v in layer] for layer in self._all_keys]
        self._masks = tuple(None if mask is None else mask[rows] for mask in self._all_masks)

    def step(self, tokens: Tensor, extra: Tensor | None = None) -> Tensor:
        """States (R, width) after ``tokens`` (R,); ``extra`` (R, width) is added to their embedding."""
        hidden = embedded(self._model, tokens[:, None], self._length)
        if extra is not None:
            hidden = hidden + extra[:, None]
        self._length += 1
        return self._stack(hidden, self._keys, self._masks, cache=self._cache)[:, 0]  # type: ignore[no-any-return]
