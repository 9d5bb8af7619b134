"""Several token scorers as one, off the CPU: their own step may mix, apply rules and find the best tokens.

Letters in shapes: R rows, V tokens, W tokens of a row that are looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from components.decoding.accelerator.fixed_shapes.static_steps import wants_static_steps
from components.decoding.accelerator.members.fused_mixture import FusedMixture, MixesInStep
from components.decoding.accelerator.members.grouped_members import GroupedMembers
from components.decoding.combiner import Combiner
from components.decoding.constraints.logits_processors import (
    AtSteps,
    History,
    LogitsProcessor,
    TokenRule,
    apply_processors,
)
from components.decoding.mixing.ensemble_scorer import EnsembleScorer
from components.decoding.mixing.members import Members
from components.decoding.moves import RowTransition
from components.decoding.scorers import TokenScorer
from components.decoding.tokens.row_tokens import RowTokens

WIDTH_MULTIPLE = 64
"""Tokens of a row that there is room for are rounded up to it."""


class DeviceEnsembleScorer(EnsembleScorer):
    """:class:`.EnsembleScorer` with members in groups.

    Attributes:
        best: the best tokens of every row of the present step, their log-probabilities first, (R, W) each;
            None: nobody asked for them (:meth:`find_best`).
    """

    def __init__(
        self,
        scorers: Sequence[TokenScorer],
        combiner: Combiner,
        calls: Counter[int] | None = None,
        *,
        keeps_statistics: bool = False,
    ) -> None:
        """See :class:`.EnsembleScorer`."""
        super().__init__(scorers, combiner, calls, keeps_statistics=keeps_statistics)
        self.best: tuple[Tensor, Tensor] | None = None
        self._parts, self._n_steps = StepProcessors((), self.limit), 0
        self._fused = FusedMixture(combiner)
        only = self._members.only if isinstance(self._members, GroupedMembers) and self._runs_all else None
        self._mixes_in_step = isinstance(only, MixesInStep)
        if isinstance(only, MixesInStep):
            only.mixture = self._fused

    @property
    def _runs_all(self) -> bool:
        """Whether all members run at every step, which those that run as one do."""
        return self._combiner.gate is None or not self._combiner.gate.lagged

    def _gather(
        self, scorers: Sequence[TokenScorer], indices: Sequence[int], calls: Counter[int] | None
    ) -> Members:
        return GroupedMembers(scorers, indices, calls, stacks=self._runs_all)

    def use_processors(self, processors: Sequence[LogitsProcessor], max_new_tokens: int) -> None:
        """See :meth:`.EnsembleScorer.use_processors`; the steps apply what they may."""
        super().use_processors(processors, max_new_tokens)
        self._parts = StepProcessors(processors, max_new_tokens)
        self._fused.rules = self._parts.rules

    def apply_processors(self, log_probs: Tensor, history: History) -> Tensor:
        """Apply to the present step's log-probabilities (R, V), in place or not, what the step did not."""
        if not self._mixes_in_step:
            return super().apply_processors(log_probs, history)
        left = self._parts.left(self._n_steps)
        self.best = None if left else self.best
        return apply_processors(left, log_probs, history)

    def find_best(self, n_tokens: int) -> None:
        """Have every step find its best tokens, where the members may do so within their own."""
        self._fused.top = n_tokens if self._mixes_in_step and self._parts.holds_all else 0

    def prefill(self) -> Tensor:
        """See :meth:`.EnsembleScorer.prefill`."""
        log_probs = super().prefill()
        if self._mixes_in_step and wants_static_steps(log_probs.device):
            self.tokens = PaddedTokens(len(log_probs), log_probs.device, self._parts.limit)
        return log_probs

    def step(self, beam_indices: Tensor, tokens: Tensor, move: RowTransition | None = None) -> Tensor:
        """See :meth:`.EnsembleScorer.step`."""
        self._n_steps += 1
        return super().step(beam_indices, tokens, move)

    def _run(self, of_gate: Sequence[Tensor]) -> Sequence[Tensor]:
        if not self._mixes_in_step:
            return super()._run(of_gate)
        fused, self.best = self._fused, None
        fused.inputs = [*of_gate]
        if fused.reads_tokens and self._n_steps:
            fused.inputs.append(self._read_tokens()[None])
        scores = self._members.run()
        outputs, fused.outputs = fused.outputs, None
        is_bare = self._parts.ends_bare(self._n_steps)
        if is_bare or outputs is None:
            outputs = fused.mix(scores, fused.inputs, is_bare)
        if fused.top and not is_bare:
            *outputs, values, tokens = outputs
            self.best = values[0], tokens[0]
        log_probs, *others = outputs
        return [log_probs[0], *others]

    def _read_tokens(self) -> Tensor:
        """Return what the rows have generated, as rules read it."""
        tokens = self.tokens
        return tokens.read_padded() if isinstance(tokens, PaddedTokens) else tokens.read()


class PaddedTokens(RowTokens):
    """:class:`.RowTokens` with room for a whole search."""

    def __init__(self, rows: int, device: torch.device, room: int) -> None:
        """Make room for at least ``room`` tokens of each row."""
        super().__init__(rows, device)
        self._tokens = torch.full((rows, room + -room % WIDTH_MULTIPLE), -1, device=device)
        self._count = 0

    def append(self, beam_indices: Tensor, tokens: Tensor) -> None:
        """See :meth:`.RowTokens.append`."""
        self._count += 1
        self._pending.append(lambda before: torch.cat([before[beam_indices, 1:], tokens[:, None]], dim=1))

    def read(self) -> Tensor:
        """Return the tokens (R, t)."""
        padded = self.read_padded()
        return padded[:, padded.shape[1] - self._count :]

    def read_padded(self) -> Tensor:
        """Return the tokens, the latest last, with -1 before the first (R, T)."""
        return super().read()


class StepProcessors:
    """The logits processors of a search by where they are applied.

    A step ends with the first of them that are functions of tensors, those left out that act at some steps
    only. Where one of these acts, the step ends without any, and all are applied after it, in their order.

    Attributes:
        rules: those that a step ends with.
        limit: tokens of a search at most.
    """

    def __init__(self, processors: Sequence[LogitsProcessor], max_new_tokens: int) -> None:
        """Divide ``processors``, in order, of a search for at most ``max_new_tokens`` tokens."""
        self._all, self.limit = processors, max_new_tokens
        self._at_steps = [each for each in processors if isinstance(each, AtSteps)]
        always = [each for each in processors if not isinstance(each, AtSteps)]
        self.rules = tuple(_leading_rules(always))
        self._others = always[len(self.rules) :]

    @property
    def holds_all(self) -> bool:
        """Whether a step ends with all that act at every step, so that nothing is left at most of them."""
        return not self._others

    def ends_bare(self, step: int) -> bool:
        """Return whether the step before which there are ``step`` tokens ends without rules."""
        return any(each.acts(step, self.limit) for each in self._at_steps)

    def left(self, step: int) -> Sequence[LogitsProcessor]:
        """Return what is to be applied after this step, in order."""
        return self._all if self.ends_bare(step) else self._others


def _leading_rules(processors: Sequence[LogitsProcessor]) -> Iterator[TokenRule]:
    for each in processors:
        if not isinstance(each, TokenRule):
            return
        yield each
