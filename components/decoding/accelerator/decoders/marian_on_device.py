"""The token scorer of Marian models off the CPU, perhaps several as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.accelerator.decoders.marian_stack import architecture_of, stack_models
from components.decoding.accelerator.decoders.stacked_marian_scorers import StackedMarianScorers
from components.decoding.accelerator.members.fused_mixture import FusedMixture
from components.decoding.models.seq2seq_scorer import Seq2SeqScorer
from components.decoding.moves import RowTransition


class DeviceMarianScorer(Seq2SeqScorer):
    """The scorer on :mod:`.stacked_marian_scorers`: alone, or with other members in one pass.

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
        """See :class:`components.decoding.accelerator.members.member_groups.StackableScorer`."""
        if not isinstance(other, DeviceMarianScorer) or not torch.equal(other.start, self.start):
            return False
        return architecture_of(other._ready.model) == architecture_of(self._ready.model)

    def stack(self, others: Sequence[object]) -> StackedMarianScorers:
        """This member and the others, which are alike, as one."""
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
