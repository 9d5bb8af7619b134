"""The tokens that the rows of a search have taken, put together only when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class RowTokens:
    """The tokens of rows that are reordered, repeated and dropped from step to step.

    To put them together costs a few operations a step on the device, and most logits processors do not look.

    Args:
        rows: Number of rows, without a token.
        device: Where they are.
        width: Tokens of a row at most, where there is always to be room for as many; 0: room grows.
    """

    def __init__(self, rows: int, device: torch.device, width: int = 0) -> None:
        self._tokens = torch.full((rows, width), -1, device=device)
        self._pending: list[Callable[[Tensor], Tensor]] = []
        self._first = 1 if width else 0  # column that stays when a token comes
        self._count = 0

    def append(self, beam_indices: Tensor, tokens: Tensor) -> None:
        """Row r continues row ``beam_indices[r]`` and takes ``tokens[r]``; nobody may write to these (R,)."""
        self._count += 1
        self._pending.append(
            lambda before: torch.cat([before[beam_indices, self._first :], tokens[:, None]], dim=1)
        )

    def read(self) -> Tensor:
        """The tokens (R, t)."""
        padded = self.read_padded()
        return padded[:, padded.shape[1] - self._count :]

    def read_padded(self) -> Tensor:
        """The tokens, the latest last (R, T): ``width`` of them, with -1 before the first; else t."""
        for apply in self._pending:
            self._tokens = apply(self._tokens)
        self._pending.clear()
        return self._tokens
