"""Buffers of fixed size with the graphs recorded on them, for searches of about one size: a bucket.

Letters in shapes: n utterances, b rows each, G members, V tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple
from weakref import ref

import torch
from torch import Tensor

from components.compute.layers import folded_mask
from components.decoding.accelerator.fixed_shapes.static_cache import NEVER, StaticBeamCache
from components.decoding.accelerator.fixed_shapes.step_graph import StepGraph, StepRecorder
from components.decoding.accelerator.members.fused_mixture import FusedMixture

MAX_MIXTURES = 4
"""Mixtures that a workspace has graphs of: systems of the same members may take turns."""


class Sources(NamedTuple):
    """What the decoder attends to beside its own tokens.

    Attributes:
        pairs: of each layer the keys and values (2, n, H, S, d).
        bias: is added to the scores of attention (n, 1 or H, 1, S); None: nothing.
        count_feature: which feature of the keys says how many positions each stands for; None: none does.
    """

    pairs: list[Tensor]
    bias: Tensor | None
    count_feature: int | None = None


Forward = Callable[[Tensor, StaticBeamCache, Sources], Tensor]
"""Tokens (n b, 1) of all cells, the cache and the sources -> scores (G, n b, V) of the next ones."""


class Bucket(NamedTuple):
    """What searches have in common that use the same buffers.

    Attributes:
        n: utterances that there is room for.
        b: rows of each.
        base: columns for what is in the cache before the first step.
        positions: source positions S.
        has_bias: whether a bias is added to the scores of their attention.
        count_feature: as in :class:`Sources`.
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
        cache: self-attention.
        tokens: of each cell the token that it takes (n b,).
        scores: what the members say of the next one, (G, n b, V), float32.
        mixture: what is made of the scores at the end of a step; None: nothing.
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
            bucket: the sizes.
            cache: as large.
            like: of each layer keys and values (2, ?, H, ?, d) of sources.
            size: G members and V tokens.
            make_recorder: makes what records the steps on a device; None: they run eagerly.
        """
        self.cache, self._make_recorder = cache, make_recorder
        n, positions = bucket.n, bucket.positions
        self._pairs = [pair.new_zeros((2, n, pair.shape[2], positions, pair.shape[4])) for pair in like]
        self._count_feature = bucket.count_feature
        heads = like[0].shape[2]
        self._bias = like[0].new_zeros((n, heads, 1, positions)) if bucket.has_bias else None
        self.tokens = torch.zeros(n * bucket.b, dtype=torch.long, device=like[0].device)
        self.scores = torch.zeros((size[0], n * bucket.b, size[1]), device=like[0].device)
        self.mixture: StaticMixture | None = None
        self._mixtures: list[StaticMixture] = []  # used longest ago first
        self._graphs: dict[tuple[int, int, StaticMixture | None], StepGraph] = {}
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
        mixtures = sum(mixture.nbytes for mixture in self._mixtures)
        return self.cache.nbytes + mixtures + sum(part.nbytes for part in parts)

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
        """Return the sources of the utterances in the grid, as the decoder is to read them."""
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

    def use_mixture(self, mixture: FusedMixture | None) -> bool:
        """Have the steps to come end with a mixture, or with none; returns whether that took memory."""
        if mixture is None:
            self.mixture = None
            return False
        if self.mixture is not None and self.mixture.source.is_same(mixture):
            return False
        known = next((each for each in self._mixtures if each.source.is_same(mixture)), None)
        self.mixture = known or StaticMixture(mixture, self.scores)
        self._mixtures = [each for each in self._mixtures if each is not self.mixture] + [self.mixture]
        for dropped in self._mixtures[:-MAX_MIXTURES]:
            self._retire([shape for shape in self._graphs if shape[2] is dropped])
        self._mixtures = self._mixtures[-MAX_MIXTURES:]
        return known is None

    def run(self, forward: Forward) -> None:
        """Take the step of the present shapes: a decoder's, and the mixture."""
        rows, mixture = self.cache.n * self.cache.b, self.mixture
        scores = self.scores[:, :rows]

        def step() -> None:
            scores.copy_(forward(self.tokens[:rows, None], self.cache, self.sources()))
            if mixture is not None:
                mixture.compute(scores)

        self._find_graph(scores).run(step)

    def _find_graph(self, scores: Tensor) -> StepGraph:
        """The step of the present shapes and mixture, which writes ``scores`` and what is made of them."""
        cache, mixture = self.cache, self.mixture
        if self._generation != cache.generation:  # other buffers, other addresses
            self._retire(list(self._graphs))
            self._generation = cache.generation
        shape = (cache.n, cache.capacity, mixture)
        if shape not in self._graphs:
            if not self._graphs:  # a pool of memory whose graphs have all gone takes no new ones
                self._recorder = self._make_recorder and self._make_recorder(cache.parents.device)
            results = [scores, *(mixture.results(scores.shape[1]) if mixture is not None else [])]
            # Of two tokens that are nearly equal a replay may see the other one first: their scores tell.
            results = [part for part in results if part.is_floating_point()]
            self._graphs[shape] = StepGraph(results, cache.snapshot, self._recorder)
        return self._graphs[shape]

    def _retire(self, shapes: Sequence[tuple[int, int, StaticMixture | None]]) -> None:
        """Replay some graphs no more; the card may still be at work on them."""
        self._retired += [self._graphs.pop(shape) for shape in shapes]


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
