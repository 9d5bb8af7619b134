"""A mixture that a scorer may make in its own step, together with the rules on the next token.

Letters in shapes: M members, R rows, V tokens, S numbers of a state of gating features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from components.decoding.combiner import Combiner
from components.decoding.constraints.logits_processors import NO_TOKENS, TokenRule
from components.decoding.mixing.step_mixture import StepMixture
from components.decoding.tokens.topk import topk


class FusedMixture:
    """The mixture of a step, what rules make of it, and its best tokens, as one function of tensors.

    A scorer that gives the scores of all members may mix them itself (:class:`MixesInStep`): with what is in
    ``inputs``, and it leaves the result in ``outputs``.

    Attributes:
        inputs: what is read beside the scores; at the first step nothing. With a gate the state of its
            features (M, R, S) and the log-probabilities (M, R) of the tokens that the rows took; last, with
            rules that look at it, what the rows have generated (1, R, T).
        outputs: what :meth:`mix` returns, of the latest step; None: the scorer did not mix.
        rules: are applied to the mixture.
        top: how many of the best tokens of every row are found, too.
    """

    def __init__(self, combiner: Combiner, exact: bool = False) -> None:
        """Describe a mixture; the arguments are those of :class:`.StepMixture`."""
        self._combiner, self._exact, self.top = combiner, exact, 0
        self._mixture = StepMixture(combiner, exact)
        self.rules: Sequence[TokenRule] = ()
        self.inputs: Sequence[Tensor] = ()
        self.outputs: list[Tensor] | None = None

    @property
    def reads_tokens(self) -> bool:
        """Whether a rule looks at what the rows have generated."""
        return any(rule.reads_tokens for rule in self.rules)

    def is_same(self, other: FusedMixture | None) -> bool:
        """Return whether the other is the same function; those of two combiners, however equal, are not."""
        if other is None or self._combiner is not other._combiner:
            return False
        return self._shape() == other._shape()

    def _shape(self) -> tuple[object, ...]:
        return self._exact, tuple(self.rules), self.top, *(part.shape[2:] for part in self.inputs)

    def mix(self, scores: Sequence[Tensor], inputs: Sequence[Tensor], bare: bool = False) -> list[Tensor]:
        """Mix the members' ``scores`` (R, V) each; see :meth:`.StepMixture.mix`.

        Args:
            scores: of all members.
            inputs: as :attr:`inputs`.
            bare: without rules, and without looking for the best tokens.

        Returns:
            Combined log-probabilities (1, R, V), by the rules, and the members' log-normalizers (M, R). With
            a gate also the weights (M, R) and the state of the features (M, R, S). Last, where they are asked
            for, the best tokens' log-probabilities and the tokens (1, R, top). All have the rows in the
            second dimension.
        """
        of_gate, tokens = inputs, NO_TOKENS
        if self.reads_tokens:
            nothing = torch.zeros((len(scores[0]), 0), dtype=torch.long, device=scores[0].device)
            of_gate, tokens = inputs[:-1], inputs[-1][0] if inputs else nothing
        log_probs, *parts = self._mixture.mix(scores, of_gate)
        if bare:
            return [log_probs[None], *parts]
        for rule in self.rules:
            log_probs = rule.apply(log_probs, tokens)
        best = [part[None] for part in topk(log_probs, self.top)] if self.top else []
        return [log_probs[None], *parts, *best]


@runtime_checkable
class MixesInStep(Protocol):
    """A scorer that gives the scores of all members, and may mix them in its own steps.

    Attributes:
        mixture: set before the first step: how; None: it does not.
    """

    mixture: FusedMixture | None
