"""Buffers of fixed size with the graphs recorded on them, kept with a decoder from search to search.

To record costs some steps, which would hardly pay within one batch. So searches of about one size, a bucket,
use the same buffers one after another; a search that finds them in use makes its own, and records nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple
from weakref import WeakSet, ref

import torch
from torch import Tensor

from components.batch_sizes import release_on_shortage
from components.decoding.models.static_cache import NEVER, StaticBeamCache
from components.decoding.models.step_graph import StepGraph, StepRecorder
from components.kernels import folded_mask

KEPT_SHARE = 0.25
"""Of a card's memory: where all decoders' buffers take more, a new one drops its decoder's idle ones."""


class Sources(NamedTuple):
    """What the decoder attends to beside its own tokens.

    Attributes:
        pairs: Of each layer the keys and values (2, n, H, S, d).
        bias: Is added to the scores of attention (n, 1 or H, 1, S); None: nothing.
        count_feature: Which feature of the keys says how many positions each stands for; None: none does.
    """

    pairs: list[Tensor]
    bias: Tensor | None
    count_feature: int | None = None


class Bucket(NamedTuple):
    """What searches have in common that use the same buffers.

    Attributes:
        n: Utterances that there is room for.
        b: Rows of each.
        base: Columns for what is in the cache before the first step.
        positions: Source positions S.
        has_bias: Whether a bias is added to the scores of their attention.
        count_feature: As in :class:`Sources`.
    """

    n: int
    b: int
    base: int
    positions: int
    has_bias: bool
    count_feature: int | None


class Workspace:
    """The buffers of a bucket.

    Attributes:
        cache: Self-attention.
        tokens: Of each cell the token that it takes (n b,).
        scores: What the members say of the next one, (G, n b, V), float32.
    """

    def __init__(
        self,
        bucket: Bucket,
        cache: StaticBeamCache,
        like: Sequence[Tensor],
        size: tuple[int, int],
        make_recorder: Callable[[torch.device], StepRecorder | None] | None,
    ) -> None:
        """Take memory.

        Args:
            bucket: The sizes.
            cache: As large.
            like: Of each layer keys and values (2, ?, H, ?, d) of sources.
            size: G members and V tokens.
            make_recorder: Makes what records the steps on a device; None: they run eagerly.
        """
        self.cache, self._make_recorder = cache, make_recorder
        n, positions = bucket.n, bucket.positions
        self._pairs = [pair.new_zeros((2, n, pair.shape[2], positions, pair.shape[4])) for pair in like]
        self._count_feature = bucket.count_feature
        heads = like[0].shape[2]
        self._bias = like[0].new_zeros((n, heads, 1, positions)) if bucket.has_bias else None
        self.tokens = torch.zeros(n * bucket.b, dtype=torch.long, device=like[0].device)
        self.scores = torch.zeros((size[0], n * bucket.b, size[1]), device=like[0].device)
        self._graphs: dict[tuple[int, int], StepGraph] = {}
        self._retired: list[StepGraph] = []
        self._generation = 0  # the cache's is more
        self._recorder: StepRecorder | None = None
        self.user: ref[object] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no search uses it."""
        return self.user is None or self.user() is None

    @property
    def nbytes(self) -> int:
        """Bytes of its buffers."""
        parts = [*self._pairs, self.scores, *([] if self._bias is None else [self._bias])]
        return self.cache.nbytes + sum(part.nbytes for part in parts)

    def load(self, sources: Sources) -> None:
        """Copy ``sources`` into the buffers, emptying their list as it goes; the rest is padding."""
        self._retired.clear()  # the search before is over, and so is what the card did for it
        n, used = sources.pairs[0].shape[1], sources.pairs[0].shape[3]
        for buffer in self._pairs:
            buffer[:, :n, :, :used] = sources.pairs.pop(0)
            buffer[:, :n, :, used:] = 0
            if self._count_feature is not None:
                buffer[0, :n, :, used:, self._count_feature] = folded_mask.NEVER
        if self._bias is not None:
            self._bias[:n] = NEVER
            self._bias[:n, :, :, :used] = 0.0 if sources.bias is None else sources.bias

    def sources(self) -> Sources:
        """The sources of the utterances in the grid, as the decoder is to read them."""
        n = self.cache.n
        bias = None if self._bias is None else self._bias[:n]
        return Sources([pair[:, :n] for pair in self._pairs], bias, self._count_feature)

    def compact(self, slots: Tensor, n: int) -> None:
        """See :meth:`.StaticBeamCache.compact`."""
        self.cache.compact(slots, n)
        for pair in self._pairs:
            pair[:, : len(slots)] = pair.index_select(1, slots)
        if self._bias is not None:
            self._bias[: len(slots)] = self._bias.index_select(0, slots)

    def graph(self, result: Tensor) -> StepGraph:
        """The step of the present shapes, which writes ``result``, a part of :attr:`scores`."""
        cache = self.cache
        if self._generation != cache.generation:  # other buffers, other addresses
            self._retired += self._graphs.values()  # the card may be at work on them
            self._graphs, self._generation = {}, cache.generation
            self._recorder = self._make_recorder and self._make_recorder(cache.parents.device)
        shape = (cache.n, cache.capacity)
        if shape not in self._graphs:
            self._graphs[shape] = StepGraph(result, cache.snapshot, self._recorder)
        return self._graphs[shape]


class Workspaces:
    """The workspaces of one decoder."""

    def __init__(self) -> None:
        self._kept: dict[Bucket, Workspace] = {}  # used longest ago first
        self._lock = threading.Lock()
        _ALL.add(self)

    def lend(self, bucket: Bucket, user: object) -> Workspace | None:
        """The workspace of a bucket, for as long as ``user`` lives; None: there is none, or it is in use."""
        with self._lock:
            workspace = self._kept.get(bucket)
            if workspace is None or not workspace.is_idle:
                return None
            self._kept[bucket] = self._kept.pop(bucket)
            workspace.user = ref(user)
            return workspace

    def keep(self, bucket: Bucket, workspace: Workspace, user: object) -> None:
        """Keep a new workspace that ``user`` uses."""
        with self._lock:
            workspace.user = ref(user)
            self._kept[bucket] = workspace
            self._drop_idle(workspace.tokens.device, KEPT_SHARE)

    def is_kept(self, bucket: Bucket) -> bool:
        """Whether there is a workspace of this bucket."""
        return bucket in self._kept

    def release(self) -> None:
        """Let go of all that no search uses."""
        with self._lock:
            self._drop_idle()

    def _drop_idle(self, device: torch.device | None = None, share: float = 0.0) -> None:
        """Drop what is idle until the decoders of a device keep no more than a share of its memory."""
        budget = 0.0 if device is None else share * _memory_of(device)
        for bucket, workspace in list(self._kept.items()):
            if device is not None and _count_kept(device) <= budget:
                return
            if workspace.is_idle:
                del self._kept[bucket]


_ALL: WeakSet[Workspaces] = WeakSet()


def _memory_of(device: torch.device) -> float:
    if device.type != "cuda":
        return float("inf")
    return float(torch.cuda.get_device_properties(device).total_memory)


def _count_kept(device: torch.device) -> int:
    """Bytes of the buffers that all decoders of a device keep."""
    workspaces = [workspace for each in list(_ALL) for workspace in list(each._kept.values())]
    return sum(each.nbytes for each in workspaces if each.tokens.device == device)


@release_on_shortage
def _release_idle() -> None:
    for workspaces in list(_ALL):
        workspaces.release()
