"""Buffers of what a mixture reads and gives, where it is a part of steps of fixed shapes.

Letters in shapes: n utterances, b rows each, G members, V tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.accelerator.members.fused_mixture import FusedMixture


class StaticMixture:
    """A mixture with its buffers, all with the cells of the grid in their second dimension (?, n b, ...).

    Attributes:
        source: the mixture of the search that it was made for; those of later searches are the same function.
        inputs: as :attr:`.FusedMixture.inputs`.
        outputs: as :meth:`.FusedMixture.mix` returns.
    """

    def __init__(self, source: FusedMixture, scores: Tensor) -> None:
        """Take memory for mixing ``scores`` (G, n b, V), a buffer."""
        self.source = source
        with torch.inference_mode(False), torch.no_grad():  # or later searches could not write to it
            self.inputs = _like(source.inputs, scores.shape[1])
            # What it gives is seen by mixing what happens to be there.
            self.outputs = _like(source.mix(scores.unbind(), self.inputs), scores.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes of its buffers."""
        return sum(part.nbytes for part in (*self.inputs, *self.outputs))

    def results(self, rows: int) -> list[Tensor]:
        """Return the outputs of the first ``rows`` cells."""
        return [part[:, :rows] for part in self.outputs]

    def compute(self, scores: Tensor) -> None:
        """Mix the scores (G, r, V) of the first r cells."""
        rows = scores.shape[1]
        mixed = self.source.mix(scores.unbind(), [part[:, :rows] for part in self.inputs])
        for target, values in zip(self.results(rows), mixed, strict=True):
            target.copy_(values)


def _like(parts: Sequence[Tensor], cells: int) -> list[Tensor]:
    return [part.new_zeros((len(part), cells, *part.shape[2:])) for part in parts]
