"""The tokens that the rows of a search have taken, in a tensor that has the same width at every step."""

from __future__ import annotations

import torch
from torch import Tensor

from components.decoding.tokens.row_tokens import RowTokens

WIDTH_MULTIPLE = 64
"""Tokens of a row that there is room for are rounded up to it."""


class PaddedTokens(RowTokens):
    """:class:`.RowTokens` with room for a whole search."""

    def __init__(self, rows: int, device: torch.device, room: int) -> None:
        """Make room for at least ``room`` tokens of each row."""
        super().__init__(rows, device)
        self._tokens = torch.full((rows, room + -room % WIDTH_MULTIPLE), -1, device=device)
        self._count = 0

    def append(self, beam_indices: Tensor, tokens: Tensor) -> None:
        """See :meth:`.RowTokens.append`."""
        self._count += 1
        self._pending.append(lambda before: torch.cat([before[beam_indices, 1:], tokens[:, None]], dim=1))

    def read(self) -> Tensor:
        """Return the tokens (R, t)."""
        padded = self.read_padded()
        return padded[:, padded.shape[1] - self._count :]

    def read_padded(self) -> Tensor:
        """Return the tokens, the latest last, with -1 before the first (R, T)."""
        return super().read()
