"""Looks for NaN in a search without a wait at every step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class FiniteWatch:
    """Remembers on the device whether NaN was seen, and tells the host when it looks anyway.

    Args:
        refuse: raises the error.
    """

    def __init__(self, refuse: Callable[[], object]) -> None:
        self._refuse = refuse
        self._zero: Tensor | None = None
        self._largest: dict[torch.Size, Tensor] = {}  # of each shape that was seen; NaN stays

    def watch(self, log_probs: Tensor, is_open: Tensor | None = None) -> None:
        """Look for NaN in the ``log_probs`` of tokens; where ``is_open`` says, which has their shape.

        On the CPU it refuses at once; elsewhere that would be a wait at every step.
        """
        if log_probs.device.type == "cpu":
            if bool(log_probs.isnan().any()):
                self._refuse()
            return
        if is_open is not None:
            if self._zero is None:
                self._zero = log_probs.new_zeros(())
            log_probs = torch.where(is_open, log_probs, self._zero)
        before = self._largest.get(log_probs.shape)
        largest = log_probs if before is None else torch.maximum(before, log_probs)
        self._largest[log_probs.shape] = largest

    def read_flags(self, flags: Tensor) -> list[int]:
        """Return positions of the ``flags`` (n,) that are True; this look sees what :meth:`watch` found."""
        if self._largest:
            values = torch.cat([flags, *self._list_bad()]).tolist()
            values, is_bad = values[: len(flags)], values[len(flags) :]
            if any(is_bad):
                self._refuse()
            self._largest.clear()
        else:
            values = flags.tolist()
        return [position for position, value in enumerate(values) if value]

    def require_finite(self) -> None:
        """Refuse if :meth:`watch` has seen NaN."""
        if self._largest and bool(torch.cat(self._list_bad()).any()):
            self._refuse()

    def _list_bad(self) -> list[Tensor]:
        return [largest.isnan().any()[None] for largest in self._largest.values()]
