"""Several token scorers as one, off the CPU: their own step may mix, apply rules and find the best tokens.

Letters in shapes: R rows, V tokens, W tokens of a row that are looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from torch import Tensor

from components.decoding.accelerator.fixed_shapes.static_steps import wants_static_steps
from components.decoding.accelerator.members.fused_mixture import FusedMixture, MixesInStep
from components.decoding.accelerator.members.grouped_members import GroupedMembers
from components.decoding.accelerator.members.padded_tokens import PaddedTokens
from components.decoding.accelerator.members.step_processors import StepProcessors
from components.decoding.combiner import Combiner
from components.decoding.constraints.logits_processors import History, LogitsProcessor, apply_processors
from components.decoding.mixing.ensemble_scorer import EnsembleScorer
from components.decoding.mixing.members import Members
from components.decoding.moves import RowTransition
from components.decoding.scorers import TokenScorer


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
