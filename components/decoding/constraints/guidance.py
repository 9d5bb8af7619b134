"""What a search is guided by beside its model: biases, phrases that it must write, a model that proposes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.constraints.logits_processors import History, LogitsProcessor, apply_processors
from components.decoding.mixing.ensemble_scorer import EnsembleScorer
from components.decoding.scorers import Vocabulary
from components.decoding.searches.beam_choice import BeamChooser


class Constraints(Protocol):
    """What the texts of a beam search must have."""

    def chooser(
        self,
        config: SearchConfig,
        vocabulary: Vocabulary,
        n: int,
        steps: int,
        device: torch.device,
        *,
        keeps_closed: bool,
    ) -> BeamChooser:
        """Build the chooser of a search that meets them; arguments are those of :class:`.BeamChooser`."""


class DraftSearch(Protocol):
    """A greedy search to which a small model proposes tokens (:mod:`.speculative`)."""

    @property
    def limit(self) -> int:
        """Tokens of a text that the small model has positions for."""

    def search(
        self,
        target: EnsembleScorer,
        config: SearchConfig,
        logits_processors: Sequence[LogitsProcessor],
        calls: Counter[int] | None = None,
    ) -> list[list[Candidate]]:
        """Return what the greedy search of ``target`` gives; see :func:`.search.search`."""


class DraftBuilder(Protocol):
    """A loaded model that proposes tokens."""

    def build(self, *args: Any, **inputs: Any) -> DraftSearch:
        """Return what it proposes for a batch: the arguments are those of its ``build_scorer``."""


class Beginning(Protocol):
    """What a text begins with, because it is written already (:mod:`.forced_prefix`)."""

    def __len__(self) -> int:
        """Its tokens, 1 or more."""

    def guide(self, beginnings: Sequence[Any], biases: Sequence[LogitsProcessor] = ()) -> Guidance:
        """Return the guidance of a search over texts with ``beginnings`` of as many tokens."""


@dataclass(frozen=True)
class Guidance:
    """The guidance of one search.

    Attributes:
        biases: applied in order, after the logits processors, to what tokens and hypotheses are chosen by;
            candidates keep the log-probabilities without them.
        constraints: what the texts must have; for beam search.
        draft: a small model that proposes tokens to a greedy search without biases and constraints, which its
            output does not depend on.
        prefix: tokens that the texts of each utterance begin with, as many for all; not with constraints.
    """

    biases: Sequence[LogitsProcessor] = ()
    constraints: Constraints | None = None
    draft: DraftSearch | None = None
    prefix: Sequence[Sequence[int]] = ()

    def apply(self, log_probs: Tensor, history: History) -> Tensor:
        """Return what hypotheses are ranked by: a biased copy, or ``log_probs`` where there is no bias."""
        return apply_processors(self.biases, log_probs.clone(), history) if self.biases else log_probs


UNGUIDED = Guidance()
"""The model alone."""
