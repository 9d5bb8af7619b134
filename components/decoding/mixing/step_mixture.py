"""The mixture of one step as a function of tensors.

Letters in shapes: M members, R rows, V tokens, S numbers of a state of gating features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.combiner import Combiner
from components.decoding.mixing.gate_features import (
    append_token,
    distribution_features,
    features_of,
    initial_state,
    observe,
    steps_of,
)


class StepMixture:
    """What a step of a search makes of the scores of its members, where all of them are run.

    Attributes:
        weights: the constant weights (M,); none with a gate.
    """

    def __init__(self, combiner: Combiner, exact: bool = False) -> None:
        """Describe a mixture.

        Args:
            combiner: makes one distribution of several.
            exact: see :class:`.combiner.Combiner`.
        """
        self._combiner, self._exact = combiner, exact
        self.weights = torch.zeros(0) if combiner.gate is not None else combiner.constant_weights()

    def mix(self, scores: Sequence[Tensor], of_gate: Sequence[Tensor] = ()) -> Sequence[Tensor]:
        """Mix the members' ``scores`` (R, V) each.

        It changes nothing and asks the device for nothing, off the CPU.

        Args:
            scores: of all members.
            of_gate: with a gate, after the first step, the state of its features (M, R, S) and the
                log-probabilities (M, R) of the tokens that the rows took.

        Returns:
            Combined log-probabilities (R, V) and the members' log-normalizers (M, R); with a gate also the
            weights (M, R) and the state of the features (M, R, S).
        """
        gate = self._combiner.gate
        if gate is None:
            self.weights = self.weights.to(scores[0].device)
            mixture = self._combiner(scores, self.weights, self._exact)
            return mixture.log_probs, mixture.log_normalizers
        if of_gate:
            state = append_token(*of_gate)
        else:
            state = initial_state(len(scores), len(scores[0]), scores[0].device)
        for member, member_scores in enumerate(scores):
            observe(state, member, distribution_features(member_scores))
        weights = gate(features_of(state), steps_of(state)).to(scores[0].device)
        mixture = self._combiner(scores, weights, self._exact)
        return mixture.log_probs, mixture.log_normalizers, weights, state
