"""What the host knows of a step from one set of rows to the next, so that nobody asks the device for it.

A search that runs off the CPU builds one :class:`Move` for every step; all members of an ensemble get the
same one, and none of them has to find out who continues whom. Letters in shapes: R rows of n utterances, b
rows each at most.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from components.decoding.host_copy import first_true

CHECK_INTERVAL = 8
"""Steps between two looks of the host at which utterances are done, off the CPU."""


def check_interval(device: torch.device) -> int:
    """Return after how many steps the host asks which rows are done: a look off the CPU is a wait."""
    return 1 if device.type == "cpu" else CHECK_INTERVAL


@dataclass(frozen=True)
class RowTransition:
    """From the rows of one step to those of the next.

    Attributes:
        beam_indices: row r continues row ``beam_indices[r]`` of the step before (R,).
        owners: which of the n utterances that have rows each row belongs to (R,), ascending.
        n: number of utterances that have rows.
        b: the largest number of rows of an utterance.
        cells: index of each row in a grid of n by b (R,); None where the rows fill it in order.
        remaining: which of the utterances of before still have rows (n,); None: all.
        is_identity: whether every row is known to continue itself.
        is_open: which rows are still searched, R numbers in any shape; the others are dropped at the host's
            next look. None: all.
    """

    beam_indices: Tensor
    owners: Tensor
    n: int
    b: int
    cells: Tensor | None = None
    remaining: Tensor | None = None
    is_identity: bool = False
    is_open: Tensor | None = None

    def to(self, device: torch.device) -> RowTransition:
        """Return this move for a scorer on another device."""
        tensors = {
            name: value.to(device, non_blocking=True)
            for name in ("beam_indices", "owners", "cells", "remaining", "is_open")
            if (value := getattr(self, name)) is not None
        }
        return replace(self, **tensors)

    def then(self, following: RowTransition) -> RowTransition:
        """Return this move and the following one as one."""
        remaining = self.remaining if following.remaining is None else following.remaining
        if self.remaining is not None and following.remaining is not None:
            remaining = self.remaining[following.remaining]
        return RowTransition(
            self.beam_indices[following.beam_indices],
            following.owners,
            following.n,
            following.b,
            following.cells,
            remaining,
            self.is_identity and following.is_identity,
        )


@runtime_checkable
class FollowsMoves(Protocol):
    """A token scorer that is told of the move before each of its steps; one that is not finds out itself."""

    def prepare_step(self, move: RowTransition) -> None:
        """Take note of the next step's move."""


def prepare_step(scorer: object, move: RowTransition | None) -> None:
    """Tell a scorer of the next step's move, if there is one and it wants to know."""
    if move is not None and isinstance(scorer, FollowsMoves):
        scorer.prepare_step(move)


class RowLayout:
    """The rows of a search or of a scorer; whoever announces moves spares it the questions to the device.

    Attributes:
        owners: which of the n utterances each row belongs to (R,).
        n: number of utterances that have rows.
        b: the largest number of rows of an utterance.
        cells: as in :class:`Move`.
    """

    def __init__(self, n: int, device: torch.device) -> None:
        self.owners = torch.arange(n, device=device)
        self.n, self.b = n, 1
        self.cells: Tensor | None = None
        self._announced: RowTransition | None = None

    def announce(self, move: RowTransition) -> None:
        """Make this one the next :meth:`move`."""
        self._announced = move

    def move(self, beam_indices: Tensor) -> RowTransition:
        """Move to the rows of the next step: the announced move, else what ``beam_indices`` (R,) say."""
        move, self._announced = self._announced, None
        if move is None or move.beam_indices is not beam_indices:
            move = self._find_move(beam_indices)
        self.owners, self.n, self.b, self.cells = move.owners, move.n, move.b, move.cells
        return move

    def _find_move(self, beam_indices: Tensor) -> RowTransition:
        """Return the move, asked of the device."""
        owners = self.owners[beam_indices]
        remaining, positions, counts = torch.unique_consecutive(
            owners, return_inverse=True, return_counts=True
        )
        same = len(beam_indices) == len(self.owners) and bool(
            (beam_indices == torch.arange(len(beam_indices), device=beam_indices.device)).all()
        )
        return make_move(
            beam_indices,
            positions,
            (len(remaining), int(counts.max())),
            remaining=remaining if len(remaining) < self.n else None,
            is_identity=same,
        )


def make_move(
    beam_indices: Tensor,
    owners: Tensor,
    shape: tuple[int, int],
    *,
    remaining: Tensor | None = None,
    is_identity: bool = False,
    is_open: Tensor | None = None,
) -> RowTransition:
    """Return a move whose numbers of utterances and of rows of one, at most, are known: ``shape`` (n, b)."""
    n, b = shape
    cells = None
    if n * b != len(owners):
        counts = torch.zeros(n, dtype=torch.long, device=owners.device).index_add_(
            0, owners, torch.ones_like(owners)
        )
        first = counts.cumsum(0) - counts
        cells = owners * b + torch.arange(len(owners), device=owners.device) - first[owners]
    return RowTransition(beam_indices, owners, n, b, cells, remaining, is_identity, is_open)


def drop_rows(move: RowTransition, beam_indices: Tensor, kept_rows: Tensor, n: int, b: int) -> RowTransition:
    """Keep some rows of ``move``, the one before: ``kept_rows`` (R,) of n utterances."""
    owners, remaining = move.owners[kept_rows], None
    if n < move.n:
        present = torch.zeros(move.n, dtype=torch.long, device=owners.device).index_fill_(0, owners, 1)
        remaining = first_true(present.bool(), n)
        owners = (present.cumsum(0) - 1)[owners]
    return make_move(beam_indices, owners, (n, b), remaining=remaining)
