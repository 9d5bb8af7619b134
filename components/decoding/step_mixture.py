"""The mixture of one step as a function of tensors, which a scorer may record together with its own step.

Letters in shapes: M members, R rows, V tokens, S numbers of a state of gating features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from components.decoding.combiner import Combiner
from components.decoding.gate_features import (
    append_token,
    distribution_features,
    features_of,
    initial_state,
    observe,
    steps_of,
)
from components.decoding.logits_processors import Suppress
from components.decoding.topk import topk


class StepMixture:
    """What a step of a search makes of the scores of its members, where all of them are run.

    A scorer that gives the scores of all members may mix them itself (:class:`MixesInStep`): with what is in
    ``inputs``, and it leaves the result in ``outputs``.

    Attributes:
        inputs: What is read beside the scores. With a gate the state of its features (M, R, S) and the
            log-probabilities (M, R) of the tokens that the rows took; else, and at the first step, nothing.
        outputs: What :meth:`mix` returns, of the latest step; None: the scorer did not mix.
        top: How many of the best tokens of every row are found, too.
        weights: The constant weights (M,); none with a gate.
    """

    def __init__(self, combiner: Combiner, exact: bool = False, rules: Sequence[Suppress] = ()) -> None:
        """Describe a mixture.

        Args:
            combiner: Makes one distribution of several.
            exact: See :class:`.combiner.Combiner`.
            rules: Applied to the mixture.
        """
        self._combiner, self._exact, self._rules, self.top = combiner, exact, tuple(rules), 0
        self.weights = torch.zeros(0) if combiner.gate is not None else combiner.constant_weights()
        self.inputs: Sequence[Tensor] = ()
        self.outputs: list[Tensor] | None = None

    def is_same(self, other: StepMixture | None) -> bool:
        """Whether the other one is the same function; those of two combiners, however equal, are not."""
        if other is None or self._combiner is not other._combiner:
            return False
        return (self._exact, self._rules, self.top) == (other._exact, other._rules, other.top)

    def mix(self, scores: Sequence[Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
        """Mix the members' ``scores`` (R, V) each.

        It changes nothing and asks the device for nothing, off the CPU.

        Args:
            scores: Of all members.
            inputs: As :attr:`inputs`.

        Returns:
            Combined log-probabilities (1, R, V), by the rules, and the members' log-normalizers (M, R). With
            a gate also the weights (M, R) and the state of the features (M, R, S). Last, where they are asked
            for, the best tokens' log-probabilities and the tokens (1, R, top). All have the rows in the
            second dimension.
        """
        gate = self._combiner.gate
        if gate is None:
            self.weights = self.weights.to(scores[0].device)
            mixture = self._combiner(scores, self.weights, self._exact)
            return self._finish([mixture.log_probs, mixture.log_normalizers])
        if inputs:
            state = append_token(*inputs)
        else:
            state = initial_state(len(scores), len(scores[0]), scores[0].device)
        for member, member_scores in enumerate(scores):
            observe(state, member, distribution_features(member_scores))
        weights = gate(features_of(state), steps_of(state)).to(scores[0].device)
        mixture = self._combiner(scores, weights, self._exact)
        return self._finish([mixture.log_probs, mixture.log_normalizers, weights, state])

    def apply_rules(self, log_probs: Tensor) -> Tensor:
        """Forbid in the mixture (R, V), in place, what is never allowed."""
        for rule in self._rules:
            log_probs = rule.apply(log_probs)
        return log_probs

    def _finish(self, parts: list[Tensor]) -> list[Tensor]:
        log_probs = self.apply_rules(parts[0])
        best = [part[None] for part in topk(log_probs, self.top)] if self.top else []
        return [log_probs[None], *parts[1:], *best]


@runtime_checkable
class MixesInStep(Protocol):
    """A scorer that gives the scores of all members, and may mix them in its own steps.

    Attributes:
        mixture: Set before the first step: how; None: it does not.
    """

    mixture: StepMixture | None
