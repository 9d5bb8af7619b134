"""The token scorer of Marian models off the CPU, perhaps several as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from components.decoding.accelerator.decoders.marian_stack import MarianStack, architecture_of, stack_models
from components.decoding.accelerator.fixed_shapes.static_cache import NEVER, StaticBeamCache
from components.decoding.accelerator.fixed_shapes.static_steps import Start, StaticSteps, wants_static_steps
from components.decoding.accelerator.fixed_shapes.static_workspace import Sources
from components.decoding.accelerator.members.fused_mixture import FusedMixture
from components.decoding.caches.beam_cache import BeamCache
from components.decoding.models.seq2seq_scorer import Seq2SeqScorer
from components.decoding.moves import RowLayout, RowTransition
from components.decoding.scorers import common_count


class DeviceMarianScorer(Seq2SeqScorer):
    """The scorer on :mod:`.marian_stack`: alone, or with other members in one pass.

    Attributes:
        mixture: see :class:`components.decoding.accelerator.members.fused_mixture.MixesInStep`.
    """

    mixture: FusedMixture | None = None

    @property
    def start(self) -> Tensor:
        """The decoder's first tokens, (t,) or (N, t)."""
        return self._start

    def encode_source(self) -> tuple[Tensor, Tensor | None]:
        """Run the encoder: its output (N, S, d), and the mask (N, S) where there is padding."""
        self.encode()
        mask = None if self._mask is None or bool(self._mask.all()) else self._mask
        return self._encoded, mask

    def is_alike(self, other: object) -> bool:
        """See :class:`components.decoding.accelerator.members.grouped_members.StackableScorer`."""
        if not isinstance(other, DeviceMarianScorer) or not torch.equal(other.start, self.start):
            return False
        return architecture_of(other._ready.model) == architecture_of(self._ready.model)

    def stack(self, others: Sequence[object]) -> StackedMarianScorers:
        """Return this member and the others, which are alike, as one."""
        members = [self, *(other for other in others if isinstance(other, DeviceMarianScorer))]
        return StackedMarianScorers(stack_models([member._ready.model for member in members]), members)

    @torch.inference_mode()
    def prefill(self) -> Tensor:
        """Run the encoder and the start tokens; returns scores (N, V)."""
        alone = self.stack([])
        self._alone, alone.mixture = alone, self.mixture
        return alone.prefill()[0]

    def prepare_step(self, move: RowTransition) -> None:
        """See :class:`components.decoding.moves.FollowsMoves`."""
        self._alone.prepare_step(move)

    @torch.inference_mode()
    def step_many(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Reorder the caches and run the positions of ``tokens`` (R, t); returns (R, V)."""
        return self._alone.step_many(beam_indices, tokens)[0]

    @torch.inference_mode()
    def score_tokens(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Return the same with the scores after every token, (R, t, V)."""
        return self._alone.score_tokens(beam_indices, tokens)[0]

    @torch.inference_mode()
    def retract(self, counts: Tensor) -> None:
        """Forget the last ``counts`` (R,), all equal, tokens; see :meth:`.RetractableScorer.retract`."""
        self._alone.retract(counts)


class StackedMarianState:
    """The rows of one batch in a stack of decoders, with their cache.

    Attributes:
        rows: which utterances they belong to.
    """

    def __init__(self, stack: MarianStack, encoded: Sequence[Tensor], masks: Sequence[Tensor | None]) -> None:
        """Compute the keys and values of the sources.

        Args:
            stack: the decoders.
            encoded: each member's encoder output (n, S, d); S may differ.
            masks: theirs, 0 at padding (n, S); None where there is none.
        """
        self._stack = stack
        self.rows = RowLayout(len(encoded[0]), encoded[0].device)
        self._cache = BeamCache(self.rows)
        longest = max(states.shape[1] for states in encoded)
        memory = torch.stack([functional.pad(s, (0, 0, 0, longest - s.shape[1])) for s in encoded])
        self._cross = stack.project_sources(memory)
        self._mask: Tensor | None = None
        if any(mask is not None for mask in masks) or len({s.shape[1] for s in encoded}) > 1:
            full = [
                states.new_ones(states.shape[:2], dtype=torch.bool) if mask is None else mask.bool()
                for states, mask in zip(encoded, masks, strict=True)
            ]
            padded = [functional.pad(mask, (0, longest - mask.shape[1])) for mask in full]
            by_head = torch.stack(padded, dim=1)[:, :, None].expand(-1, -1, stack.heads, -1)
            self._mask = by_head.flatten(1, 2)[:, :, None]  # (n, G * H, 1, S)

    def prepare_step(self, move: RowTransition) -> None:
        """Move to other rows; utterances without rows are dropped."""
        self._cache.reorder(move)
        if move.remaining is not None:
            self._cross = [pair[:, move.remaining] for pair in self._cross]
            self._mask = None if self._mask is None else self._mask[move.remaining]

    def retract(self, count: int) -> None:
        """Forget the last ``count`` tokens of every row."""
        self._cache.retract(count)

    def step(self, tokens: Tensor) -> Tensor:
        """Run the decoders over ``tokens`` (R, t); returns hidden states (G, R, t, d)."""
        self._cache.start_step(tokens.shape[1])
        return self._stack.run_layers(tokens, self._cache, self._cross, self._mask)

    def to_static(self, move: RowTransition) -> StaticSteps:
        """Return the steps to come in fixed shapes, after the latest ``move``; this state is used up."""
        bias = None
        if self._mask is not None:
            bias = torch.zeros_like(self._mask, dtype=self._cross[0].dtype).masked_fill_(~self._mask, NEVER)
        start = Start(self._cache.contents(), Sources(self._cross, bias), None, move)
        steps = StaticSteps(self._stack.workspaces, self._stack.sizes, start)
        self._cache = BeamCache(self.rows)  # its memory is free
        return steps


class _Member(Protocol):
    """A prepared member."""

    @property
    def start(self) -> Tensor:
        """The decoder's first tokens, (t,) or (n, t)."""

    def encode_source(self) -> tuple[Tensor, Tensor | None]:
        """Run the encoder: its output (n, S, d), and the mask (n, S) where there is padding."""


class StackedMarianScorers:
    """Several prepared members as one: a token scorer whose scores are (G, R, V), a member each.

    Attributes:
        mixture: see :class:`components.decoding.accelerator.members.fused_mixture.MixesInStep`.
    """

    def __init__(self, stack: MarianStack, members: Sequence[_Member]) -> None:
        self._stack = stack
        self.mixture: FusedMixture | None = None
        self._members: Sequence[_Member] = members
        self._static: StaticSteps | None = None

    @torch.inference_mode()
    def prefill(self) -> Tensor:
        """Run the encoders and the start tokens."""
        members, self._members = self._members, ()  # one that runs alone refers to this: a circle
        encoded, masks = zip(*(member.encode_source() for member in members), strict=True)
        self._state = StackedMarianState(self._stack, encoded, masks)
        start = members[0].start.to(encoded[0].device).expand(len(encoded[0]), -1)
        self._may_be_static = wants_static_steps(start.device)
        return self._run(start)[:, :, -1]

    def prepare_step(self, move: RowTransition) -> None:
        """See :class:`components.decoding.moves.FollowsMoves`."""
        self._state.rows.announce(move)

    @torch.inference_mode()
    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Reorder the caches and run one position."""
        return self.step_many(beam_indices, tokens[:, None])

    @torch.inference_mode()
    def step_many(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Reorder the caches and run the positions of ``tokens`` (R, t)."""
        move = self._state.rows.move(beam_indices)
        if self._static is None:
            self._state.prepare_step(move)
            if not self._may_be_static:
                return self._run(tokens, last=1)[:, :, -1]
            self._static = self._state.to_static(move)
        return self._static.step_each(self._run_static, move, tokens, self.mixture)[-1]

    @torch.inference_mode()
    def score_tokens(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Return the same with the scores after every token, (G, R, t, V)."""
        move = self._state.rows.move(beam_indices)
        if self._static is not None:
            return torch.stack(list(self._static.step_each(self._run_static, move, tokens)), dim=2)
        self._may_be_static = False  # several tokens in a pass gain more than steps of fixed shapes
        self._state.prepare_step(move)
        return self._run(tokens)

    @torch.inference_mode()
    def retract(self, counts: Tensor) -> None:
        """Forget the last ``counts`` (R,), all equal, tokens."""
        (self._static or self._state).retract(common_count(counts))

    def _run(self, tokens: Tensor, last: int = 0) -> Tensor:
        hidden = self._state.step(tokens)[:, :, -last:]
        g, rows, t, _ = hidden.shape
        return self._stack.scores(hidden.reshape(g, rows * t, -1)).view(g, rows, t, -1)

    def _run_static(self, tokens: Tensor, cache: StaticBeamCache, sources: Sources) -> Tensor:
        cache.start_step()
        hidden = self._stack.run_layers(tokens, cache, sources.pairs, sources.bias)
        return self._stack.scores(hidden[:, :, 0])
