"""Steps of a search in fixed shapes: where its rows lie in the buffers, and what a step is told there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from components.compute.cuda_graphs import read_cuda_graphs
from components.decoding.accelerator.fixed_shapes.kept_workspaces import Workspaces
from components.decoding.accelerator.fixed_shapes.static_cache import COLUMN_MULTIPLE, StaticBeamCache
from components.decoding.accelerator.fixed_shapes.static_workspace import Bucket, Forward, Sources, Workspace
from components.decoding.accelerator.fixed_shapes.step_graph import CudaRecorder, StepRecorder
from components.decoding.accelerator.members.fused_mixture import FusedMixture
from components.decoding.caches.beam_cache import CacheContents
from components.decoding.moves import RowTransition

SOURCE_MULTIPLE = 64
"""Source lengths are rounded up to it."""
GRAPH_DEVICES = {"cuda"}
"""Types of devices that record."""


def wants_static_steps(device: torch.device) -> bool:
    """Return whether searches on the device are to run in fixed shapes."""
    mode = read_cuda_graphs()
    return mode == "eager" or (mode == "on" and device.type in GRAPH_DEVICES)


def has_static_choice(device: torch.device) -> bool:
    """Return whether beam searches on the device are to choose in fixed shapes; never on the CPU."""
    return device.type in GRAPH_DEVICES and read_cuda_graphs() != "off"


def make_recorder(device: torch.device) -> StepRecorder | None:
    """Return what records steps on the device; None: they run eagerly."""
    return CudaRecorder(device) if read_cuda_graphs() == "on" else None


class DecoderSizes(NamedTuple):
    """What of a decoder decides the buffers.

    Attributes:
        members: models G that it stands for.
        vocabulary: tokens V.
        positions: tokens of a row at most, the prompt's among them.
    """

    members: int
    vocabulary: int
    positions: int


class Start(NamedTuple):
    """What a search is when its steps of fixed shapes begin.

    Attributes:
        contents: of its cache.
        sources: what it attends to; their list is emptied.
        source_positions: that the buffers are to have; None: as many as there are, rounded up.
        move: to the rows of the first step; it has been followed.
    """

    contents: CacheContents
    sources: Sources
    source_positions: int | None
    move: RowTransition


def round_up_to_power(number: int, least: int = 1) -> int:
    """Return the smallest power of two that is at least ``number`` and ``least``."""
    return max(least, 1 << max(number - 1, 0).bit_length())


class StaticSteps:
    """The steps of one search.

    Utterances that end keep their cells until half of the grid is free: then those left move to its front.
    """

    def __init__(
        self, workspaces: Workspaces, sizes: DecoderSizes, start: Start, *, compacts: bool = True
    ) -> None:
        """Take a workspace, and begin in it.

        Args:
            workspaces: those of the decoder.
            sizes: the decoder's.
            start: what there is.
            compacts: whether utterances may move.
        """
        self._workspaces, self._sizes, self._compacts = workspaces, sizes, compacts
        self._begin(start)

    def _begin(self, start: Start) -> None:
        self._b = start.move.b
        self._slots: Tensor | None = None  # where the utterances are (n,); None: in order
        self._followed, self._is_identity = start.move, True
        self._workspace = self._find_workspace(start)
        self._workspace.load(start.sources)
        self._cells = self._find_cells(start.move)  # where the rows are (R,); None: in order
        self._workspace.cache.begin(start.contents, self._cells)

    def _find_workspace(self, start: Start) -> Workspace:
        workspaces, sizes = self._workspaces, self._sizes
        pairs, bias, count_feature = start.sources
        length = pairs[0].shape[3]
        positions = start.source_positions or length + -length % SOURCE_MULTIPLE
        bucket = Bucket(
            n=round_up_to_power(start.move.n),
            b=self._b,
            base=round_up_to_power(start.contents.visible.shape[1], COLUMN_MULTIPLE),
            positions=positions,
            has_bias=bias is not None or (count_feature is None and start.source_positions is None),
            count_feature=count_feature,
        )
        workspace = workspaces.lend(bucket, self)
        if workspace is not None:
            return workspace
        is_first = not workspaces.is_kept(bucket)
        with torch.inference_mode(False), torch.no_grad():  # or later searches could not write to it
            states = start.contents.states
            cache = StaticBeamCache(bucket.n, bucket.b, bucket.base, states, sizes.positions)
            size = (sizes.members, sizes.vocabulary)
            workspace = Workspace(bucket, cache, pairs, size, make_recorder if is_first else None)
        if is_first:
            workspaces.keep(bucket, workspace, self)
        return workspace

    def step(
        self,
        forward: Forward,
        move: RowTransition | None,
        tokens: Tensor,
        mixture: FusedMixture | None = None,
    ) -> Tensor:
        """Append ``tokens`` (R,); returns scores (G, R, V), which hold until the next step.

        Args:
            forward: the decoder.
            move: to these rows, if it is not the one that the search began with; None: they stay.
            tokens: theirs.
            mixture: mixes the scores; what it gives holds until the next step, too.
        """
        if move is not None and move is not self._followed:
            self._follow(move)
        elif not self._is_identity:
            self._workspace.cache.continue_in_place()
            self._is_identity = True
        workspace, cache = self._workspace, self._workspace.cache
        _write(workspace.tokens, self._cells, tokens)
        cache.make_room()
        if workspace.use_mixture(mixture):
            self._workspaces.trim(tokens.device)
        if mixture is not None and workspace.mixture is not None:
            for buffer, values in zip(workspace.mixture.inputs, mixture.inputs, strict=True):
                _write(buffer, self._cells, values, dim=1)
        workspace.run(forward)
        cache.steps += 1
        if mixture is not None and workspace.mixture is not None:
            mixture.outputs = [self._read(part, len(tokens)) for part in workspace.mixture.outputs]
        return self._read(workspace.scores, len(tokens))

    def _read(self, buffer: Tensor, rows: int) -> Tensor:
        """Return the rows of a buffer of cells (?, n b, ...): (?, R, ...)."""
        return buffer[:, :rows] if self._cells is None else buffer.index_select(1, self._cells)

    def step_each(
        self,
        forward: Forward,
        move: RowTransition | None,
        tokens: Tensor,
        mixture: FusedMixture | None = None,
    ) -> Sequence[Tensor]:
        """Append the columns of ``tokens`` (R, t) one after another: the scores (G, R, V) after each.

        They are mixed where there is one column.
        """
        scores = []
        mixture = mixture if tokens.shape[1] == 1 else None
        for index, column in enumerate(tokens.unbind(1)):
            scores.append(self.step(forward, None if index else move, column, mixture))
            if index + 1 < tokens.shape[1]:
                scores[-1] = scores[-1].clone()
        return scores

    def retract(self, count: int) -> None:
        """Forget the last ``count`` tokens of every row."""
        self._workspace.cache.retract(count)

    def _follow(self, move: RowTransition) -> None:
        """Write for every cell which one it continues."""
        cache, before, last = self._workspace.cache, self._cells, self._followed
        is_same = move.remaining is None and move.owners is last.owners and move.cells is last.cells
        self._followed = move
        if is_same and move.is_identity and self._is_identity:
            return
        if move.remaining is not None:
            self._slots = move.remaining if self._slots is None else self._slots[move.remaining]
        if move.b > self._b:
            self._begin(self._widen(move))
            return
        if move.remaining is not None:
            n = round_up_to_power(move.n)
            if self._compacts and n <= cache.n // 2:
                before = self._compact(before, n)
        if not is_same:
            self._cells = self._find_cells(move)
        parents = move.beam_indices if before is None else before[move.beam_indices]
        _write(cache.parents, self._cells, parents)
        self._is_identity = is_same and move.is_identity

    def _widen(self, move: RowTransition) -> Start:
        """What there is, for a grid with more rows of an utterance, which no search of ours asks for."""
        workspace, slots = self._workspace, self._slots
        contents = workspace.cache.contents(
            move.beam_indices if self._cells is None else self._cells[move.beam_indices]
        )
        slots = torch.arange(move.n, device=move.owners.device) if slots is None else slots
        pairs, bias, count_feature = workspace.sources()
        sources = Sources(
            [pair[:, slots] for pair in pairs], None if bias is None else bias[slots], count_feature
        )
        states = [layer[:, slots] for layer in contents.states]
        return Start(contents._replace(states=states), sources, pairs[0].shape[3], move)

    def _compact(self, cells: Tensor | None, n: int) -> Tensor:
        """Move the utterances left to the front; returns where the rows (R,) are then."""
        slots, room = self._slots, self._workspace.cache.n
        assert slots is not None
        self._workspace.compact(slots, n)
        places = torch.zeros(room, dtype=torch.long, device=slots.device)
        places.index_copy_(0, slots, torch.arange(len(slots), device=slots.device))
        self._slots = None
        if cells is None:
            cells = torch.arange(room * self._b, device=slots.device)
        return places[torch.div(cells, self._b, rounding_mode="floor")] * self._b + cells % self._b

    def _find_cells(self, move: RowTransition) -> Tensor | None:
        if self._slots is None and move.cells is None and move.b == self._b:
            return None
        rows = torch.arange(len(move.owners), device=move.owners.device)
        within = rows % move.b if move.cells is None else move.cells - move.owners * move.b
        slots = move.owners if self._slots is None else self._slots[move.owners]
        return slots * self._b + within


def _write(target: Tensor, cells: Tensor | None, values: Tensor, dim: int = 0) -> None:
    """Write values, R rows in dimension ``dim``, to ``cells`` (R,) of the target; None: to the first."""
    if cells is None:
        target.narrow(dim, 0, values.shape[dim]).copy_(values)
    else:
        target.index_copy_(dim, cells, values)
