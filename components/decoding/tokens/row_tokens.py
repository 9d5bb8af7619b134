"""The tokens that the rows of a search have taken, put together only when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class RowTokens:
    """The tokens of rows that are reordered, repeated and dropped from step to step.

    To put them together costs a few operations a step on the device, and most logits processors do not look.

    Args:
        rows: number of rows, without a token.
        device: where they are.
    """

    def __init__(self, rows: int, device: torch.device) -> None:
        self._tokens = torch.zeros((rows, 0), dtype=torch.long, device=device)
        self._pending: list[Callable[[Tensor], Tensor]] = []

    def append(self, beam_indices: Tensor, tokens: Tensor) -> None:
        """Continue row ``beam_indices[r]`` by ``tokens[r]`` in row r; nobody may write to these (R,)."""
        self._pending.append(lambda before: torch.cat([before[beam_indices], tokens[:, None]], dim=1))

    def read(self) -> Tensor:
        """Return the tokens (R, t)."""
        for apply in self._pending:
            self._tokens = apply(self._tokens)
        self._pending.clear()
        return self._tokens
