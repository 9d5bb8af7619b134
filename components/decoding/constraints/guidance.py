"""What a search is guided by beside its model: biases, phrases that it must write, a model that proposes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from components.decoding.constraints.logits_processors import History, LogitsProcessor, apply_processors
from components.decoding.constraints.phrase_constraints import PhraseConstraints
from components.decoding.searches.draft_model import Draft


@dataclass(frozen=True)
class Guidance:
    """The guidance of one search.

    Attributes:
        biases: Applied in order, after the logits processors, to what tokens and hypotheses are chosen by;
            candidates keep the log-probabilities without them.
        constraints: Phrases that the texts must have; for beam search.
        draft: A small model that proposes tokens to a greedy search without biases and constraints, which its
            output does not depend on.
    """

    biases: Sequence[LogitsProcessor] = ()
    constraints: PhraseConstraints | None = None
    draft: Draft | None = None

    def apply(self, log_probs: Tensor, history: History) -> Tensor:
        """What hypotheses are ranked by: a biased copy, or ``log_probs`` where there is no bias."""
        return apply_processors(self.biases, log_probs.clone(), history) if self.biases else log_probs


UNGUIDED = Guidance()
"""The model alone."""
