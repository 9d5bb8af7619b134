"""Self-attention keys and values in buffers of fixed size: every step has the same shapes and addresses.

What :class:`.beam_cache.BeamCache` is for steps that grow. The rows of a search lie in the cells of a grid, n
utterances by b rows. A step writes b columns of each utterance, where a tensor on the device says. Which
columns a cell attends to, its ancestors' and its own, is a bias, 0 or -inf: that of its parent and one
column more. Cells without a row are computed in vain, and so are columns that are not used yet.

Letters in shapes: n utterances, b rows each, H heads, d their width, B columns of what was there before the
first step, C steps that fit, P = B + b C columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from components.decoding.caches.beam_cache import BeamCache, CacheContents
from components.decoding.scorers import hide_last

FIRST_CAPACITY = 64
"""Steps that fit at first; a full cache holds twice as many, up to the decoder's positions."""
COLUMN_MULTIPLE = 16
"""Numbers of columns are multiples of it, or attention's kernels would copy the bias to such a width."""
NEVER = -torch.inf


class StaticBeamCache:
    """The cache of all layers of one decoder; within a step it is used as a :class:`.beam_cache.BeamCache`.

    Attributes:
        n: utterances of the grid at present: all that there is room for, or fewer after :meth:`compact`.
        b: rows of each.
        steps: taken so far.
        capacity: steps C of the present shapes.
        generation: changes with the buffers: what has noted their addresses is void then.
        parents: for each cell the cell that it continues (n b,), to be written before a step.
        mask: is added to the scores of attention in the present step, (n, 1, b, P).
    """

    def __init__(self, n: int, b: int, base: int, like: Sequence[Tensor], limit: int) -> None:
        """Take memory for ``n`` utterances.

        Args:
            n: utterances.
            b: rows of each.
            base: columns B for what is there before the first step, a multiple of :data:`COLUMN_MULTIPLE`.
            like: keys and values of each layer (2, ?, H, ?, d).
            limit: steps that the decoder has positions for.
        """
        self.room = self.n = n
        self.b, self.base = b, base
        self._limit = limit + -limit % COLUMN_MULTIPLE
        device, rows = like[0].device, n * b
        self.parents = torch.arange(rows, device=device)
        self._cells = torch.arange(rows, device=device)
        self._within, self._beam = self._cells % b, torch.arange(b, device=device)
        self._column, self._position = (torch.zeros(1, dtype=torch.long, device=device) for _ in range(2))
        self.capacity = self.generation = self.steps = self._allocated = self._first_length = 0
        self._layers = [states.new_zeros((2, n, states.shape[2], 0, states.shape[4])) for states in like]
        self._bias = like[0].new_zeros((rows, 0))
        self.mask = self._bias
        self._resize(min(FIRST_CAPACITY, self._limit))

    @property
    def nbytes(self) -> int:
        """Bytes of its buffers."""
        return sum(part.nbytes for part in (*self._layers, self._bias))

    def begin(self, contents: CacheContents, cells: Tensor | None) -> None:
        """Start a search from ``contents``, whose rows are in ``cells`` (R,); None: in order."""
        states, visible, length = contents
        n, used = states[0].shape[1], visible.shape[1]
        written = self.base + self.capacity * self.b  # by the search before: its NaN no bias would hide
        for layer, part in zip(self._layers, states, strict=True):
            layer[:, :n, :, :used], layer[:, :, :, used:written] = part, 0
        bias = torch.zeros_like(visible, dtype=self._bias.dtype).masked_fill_(~visible, NEVER)
        self._bias.fill_(NEVER)
        if cells is None:
            self._bias[: len(bias), :used] = bias
        else:
            self._bias[:, :used].index_copy_(0, cells, bias)
        self.n, self.steps, self.capacity = self.room, 0, min(FIRST_CAPACITY, self._limit)
        self._column.fill_(self.base - self.b)
        self._position.fill_(length - 1)
        self._first_length = length
        self.continue_in_place()

    def contents(self, cells: Tensor) -> CacheContents:
        """Show what is in it between two steps, by the rows in ``cells`` (R,); utterances as in the grid."""
        used = self.base + self.steps * self.b
        visible = self._bias[:, :used].index_select(0, cells) == 0
        states = [layer[:, :, :, :used] for layer in self._layers]
        return CacheContents(states, visible, self._first_length + self.steps)

    def continue_in_place(self) -> None:
        """Let every cell continue itself."""
        self.parents.copy_(self._cells)

    def make_room(self) -> None:
        """Let more fit before a step where as many were taken as fit."""
        if self.steps == self.capacity:
            if self.capacity == self._limit:
                raise ValueError(f"expected at most {self._limit} steps, found one more")
            with torch.inference_mode(False), torch.no_grad():  # or later searches could not write to it
                self._resize(min(2 * self.capacity, self._limit))

    def _resize(self, capacity: int) -> None:
        self.capacity = capacity
        if capacity <= self._allocated:
            return
        width, used = self.base + capacity * self.b, self._bias.shape[1]
        self._allocated = capacity
        self.generation += 1
        for i, old in enumerate(self._layers):
            self._layers[i] = old.new_zeros((*old.shape[:3], width, old.shape[4]))
            self._layers[i][:, :, :, :used] = old[:, :, :, :used]
        old_bias, self._bias = self._bias, self._bias.new_full((len(self._bias), width), NEVER)
        self._bias[:, :used] = old_bias[:, :used]
        self._columns = torch.arange(width, device=self._bias.device)

    def retract(self, count: int) -> None:
        """Forget the last ``count`` tokens of every row."""
        self._position.sub_(count)
        if count <= self.steps:
            self.steps -= count
            self._bias[:, self.base + self.steps * self.b :] = NEVER
            self._column.sub_(count * self.b)
            return
        self._first_length -= count  # some are of before the first step: their columns are not used again
        counts = torch.full((len(self._bias),), count, device=self._bias.device)
        self._bias.masked_fill_(~hide_last(self._bias == 0, counts), NEVER)

    def compact(self, slots: Tensor, n: int) -> None:
        """Move the utterances at ``slots`` (at most n) to the front of a grid of ``n`` utterances."""
        used, count = self.base + self.steps * self.b, len(slots)
        for layer in self._layers:
            layer[:, :count, :, :used] = layer[:, :, :, :used].index_select(1, slots)
        rows = (slots[:, None] * self.b + self._beam).flatten()
        self._bias[: len(rows)] = self._bias.index_select(0, rows)
        self.n = n
        self.continue_in_place()

    def snapshot(self) -> Callable[[], None]:
        """Note what the next step changes; the returned function puts it back."""
        first = self.base + self.steps * self.b
        changed = [self._bias, self._column, self._position]
        before = [part.clone() for part in changed]

        def restore() -> None:
            for part, old in zip(changed, before, strict=True):
                part.copy_(old)
            for layer in self._layers:
                layer[:, :, :, first : first + self.b] = 0  # a replay that does not write them is found out

        return restore

    def start_step(self) -> None:
        """Follow the parents, and find the columns of the step's tokens."""
        rows, width = self.n * self.b, self.base + self.capacity * self.b
        self._column.add_(self.b)
        self._position.add_(1)
        bias = self._bias[:rows, :width]
        own = self._columns[:width] == (self._column + self._within[:rows])[:, None]
        bias.copy_(bias.index_select(0, self.parents[:rows]).masked_fill_(own, 0.0))
        self.mask = bias.view(self.n, 1, self.b, width)
        self._new_columns = self._column + self._beam

    def take_positions(self, table: Tensor) -> Tensor:
        """Return the rows (1, d) of a table of positions (T, d) that are those of the step's tokens."""
        return table.index_select(0, self._position)

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write keys and values (n b, H, 1, d) of a layer; returns all of them, (n, H, P, d)."""
        width = self.base + self.capacity * self.b
        states = self._layers[layer][:, : self.n, :, :width]
        for place, new in zip(states, (keys, values), strict=True):
            place.index_copy_(2, self._new_columns, self.stack_queries(new))
        return states[0], states[1]

    def stack_queries(self, queries: Tensor) -> Tensor:
        """Return queries (n b, H, 1, d) by utterance: (n, H, b, d)."""
        return queries.view(self.n, self.b, *queries.shape[1:]).transpose(1, 2).squeeze(3)

    def to_rows(self, out: Tensor) -> Tensor:
        """Return what an utterance's queries attended to, (n, b, H, d), by row: (n b, 1, H, d)."""
        return out.reshape(self.n * self.b, 1, *out.shape[2:])


AnyBeamCache = BeamCache | StaticBeamCache
"""What a decoder attends to, in steps that grow or in steps of fixed shapes."""
