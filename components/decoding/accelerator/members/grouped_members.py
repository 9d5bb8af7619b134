"""The members of an ensemble off the CPU: those of one architecture as one, groups perhaps side by side.

Members of one architecture are one batched product. Groups may run on streams of their own, which is off
unless the environment says so. **Why memory is safe there**: tensors of one stream are read on others, and
torch's allocator gives memory out again in the order of the stream that it was taken on. All streams wait
for the search's own, and it waits for all of them before anything else happens on it (:func:`run_groups`).
So what is read has been written, and memory that is let go of meanwhile is given out again only after that
wait. That holds for one thread: another one on the same stream might be given such memory too early.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from components.compute.cuda_graphs import read_member_streams
from components.decoding.mixing.lazy_scorer import LazyScorer
from components.decoding.mixing.members import Members
from components.decoding.scorers import TokenScorer


class GroupedMembers(Members):
    """:class:`.Members` that run in groups; what they read ahead they do not forget again."""

    def __init__(
        self,
        scorers: Sequence[TokenScorer],
        indices: Sequence[int],
        calls: Counter[int] | None,
        *,
        stacks: bool,
    ) -> None:
        """Take the active members; ``stacks``: those of one architecture may run as one."""
        super().__init__(scorers, indices, calls)
        self._groups = group_members(scorers, stacks=stacks)
        self._lazy = [group.lazy for group in self._groups]

    @property
    def only(self) -> TokenScorer | None:
        """The scorer that stands for all of them, if there is one."""
        return self._lazy[0].scorer if len(self._lazy) == 1 else None

    def _run(self, members: Sequence[int]) -> None:
        for group in self._groups:
            group.scores = None  # freed first, as those of the members
        groups = [group for group in self._groups if set(group.members) <= set(members)]
        self._device = run_groups(groups, self._device)
        for group in groups:
            assert group.scores is not None
            for member, scores in zip(group.members, group.scores.unbind(), strict=True):
                self._scores[member] = scores

    def scores_at(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """See :meth:`.Members.scores_at`; of one group in one piece."""
        scores = self._groups[0].scores
        if len(self._groups) == 1 and scores is not None:
            return scores[:, rows, tokens]
        return super().scores_at(rows, tokens)

    def _count_calls(self) -> None:
        for group in self._groups:
            if self._calls is not None:
                self._calls.update({self._indices[member]: group.lazy.calls for member in group.members})
                group.lazy.calls = 0


STREAM_DEVICES = {"cuda"}
"""Types of devices that have streams."""


class MemberGroup:
    """Members that run as one.

    Attributes:
        members: their positions among the active ones.
        lazy: their scorer.
        scores: of the latest step (G, R, V), where the search is; None: they were not run.
    """

    def __init__(self, members: Sequence[int], lazy: LazyScorer, *, is_stacked: bool = False) -> None:
        self.members, self.lazy, self._is_stacked = tuple(members), lazy, is_stacked
        self.scores: Tensor | None = None

    def run(self) -> Tensor:
        """Return scores (G, R, V) of the next token, where the members compute."""
        scores = self.lazy.run()
        return scores if self._is_stacked else scores[None]


def group_members(scorers: Sequence[TokenScorer], *, stacks: bool) -> list[MemberGroup]:
    """Return each member alone; where ``stacks``, those of one architecture together, off the CPU."""
    groups, left = [], list(range(len(scorers)))
    while left:
        index, *left = left
        first, alike = scorers[index], [index]
        if stacks and isinstance(first, StackableScorer):
            alike += [other for other in left if first.is_alike(scorers[other])]
        left = [other for other in left if other not in alike]
        if len(alike) > 1 and isinstance(first, StackableScorer):
            # Their scores have the members in front, which a lazy scorer does not look at.
            stacked = cast("TokenScorer", first.stack([scorers[other] for other in alike[1:]]))
            groups.append(MemberGroup(alike, LazyScorer(stacked), is_stacked=True))
        else:
            groups.append(MemberGroup(alike, LazyScorer(first)))
    return groups


def run_groups(groups: Sequence[MemberGroup], device: torch.device | None) -> torch.device:
    """Run the groups one after another, or side by side; their scores are where the search is afterwards.

    Args:
        groups: in order. Where each computes is known after its first call, which is never on another stream.
        device: where the search is; None: where the first group is.

    Returns:
        Where the search is.
    """
    beside = [group for group in groups if device is not None and group.lazy.device == device]
    if len(beside) < 2 or device is None or device.type not in STREAM_DEVICES or not read_member_streams():
        beside = []
    for group in groups:
        if group not in beside:  # first: their tokens are copied on the search's own stream
            group.scores = group.run()
    if device is not None and beside:
        _run_beside(beside, device)
    for group in groups:
        assert group.scores is not None
        device = device or group.scores.device
        group.scores = group.scores.to(device, non_blocking=True)
    assert device is not None
    return device


def _run_beside(groups: Sequence[MemberGroup], device: torch.device) -> None:
    own = torch.cuda.current_stream(device)
    streams = [_stream(device, number) for number in range(len(groups))]
    try:
        for stream, group in zip(streams, groups, strict=True):
            stream.wait_stream(own)
            with torch.cuda.stream(stream):
                group.scores = group.run()
    finally:
        for stream in streams:
            own.wait_stream(stream)


@cache
def _stream(device: torch.device, number: int) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


class StackedScorers(Protocol):
    """Several scorers that run as one: a :class:`.TokenScorer` whose scores have the G members in front."""

    def prefill(self) -> Tensor:
        """Return scores of the first generated token, (G, N, V)."""

    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Append one token to every row: (G, R, V)."""


@runtime_checkable
class StackableScorer(TokenScorer, Protocol):
    """A scorer that may run together with others of its architecture, in products of all."""

    def is_alike(self, other: object) -> bool:
        """Return whether the other is of the same kind, architecture and start."""

    def stack(self, others: Sequence[object]) -> StackedScorers:
        """Return this scorer and ``others``, which are alike, as one."""
