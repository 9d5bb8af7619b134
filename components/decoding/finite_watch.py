"""Looks for NaN in a search without a wait at every step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class FiniteWatch:
    """Remembers on the device whether NaN was seen, and tells the host when it looks anyway.

    Args:
        refuse: Raises the error.
    """

    def __init__(self, refuse: Callable[[], object]) -> None:
        self._refuse = refuse
        self._is_bad: Tensor | None = None

    def watch(self, log_probs: Tensor, is_open: Tensor | None = None) -> None:
        """Look for NaN in the ``log_probs`` (r, ...) of the taken tokens, in the rows where ``is_open`` (r,).

        On the CPU it refuses at once; elsewhere that would be a wait at every step.
        """
        is_bad = log_probs.isnan()
        if is_bad.device.type == "cpu":
            if bool(is_bad.any()):
                self._refuse()
            return
        if is_open is not None:
            is_bad = is_bad & is_open.view(-1, *[1] * (is_bad.dim() - 1))
        self._is_bad = is_bad.any() if self._is_bad is None else self._is_bad | is_bad.any()

    def read_flags(self, flags: Tensor) -> list[int]:
        """Positions of the ``flags`` (n,) that are True; the same look sees what :meth:`watch` has found."""
        if self._is_bad is None:
            values = flags.tolist()
        else:
            *values, is_bad = torch.cat([flags, self._is_bad[None]]).tolist()
            if is_bad:
                self._refuse()
        return [position for position, value in enumerate(values) if value]

    def require_finite(self) -> None:
        """Refuse if :meth:`watch` has seen NaN."""
        if self._is_bad is not None and bool(self._is_bad):
            self._refuse()
