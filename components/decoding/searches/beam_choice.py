"""The choice of a beam search: which hypotheses go on, and which end."""

from __future__ import annotations

import torch
from torch import Tensor

from components.decoding.config import SearchConfig
from components.decoding.constraints.phrase_constraints import PhraseConstraints
from components.decoding.scorers import Vocabulary
from components.decoding.searches.beam_step import (
    BeamState,
    Choice,
    StepNumbers,
    advance,
    initial_state,
    list_norms,
    make_rules,
)
from components.decoding.searches.continuations import best_continuations


class BeamChooser:
    """Takes the continuations of a beam's rows, step by step.

    Attributes:
        rules: What stays the same from step to step.
        state: After the latest step.
    """

    def __init__(
        self,
        config: SearchConfig,
        vocabulary: Vocabulary,
        n: int,
        steps: int,
        device: torch.device,
        constraints: PhraseConstraints | None,
        *,
        keeps_closed: bool,
    ) -> None:
        """Begin a search.

        Args:
            config: Its settings.
            vocabulary: Of its tokens.
            n: Utterances.
            steps: Tokens of one at most.
            device: Where the search is.
            constraints: Phrases that texts must have.
            keeps_closed: Whether utterances stay in the batch after their end.
        """
        self.rules = make_rules(config, vocabulary, n, device, keeps_closed=keeps_closed)
        self.state = initial_state(n, self.rules.k, device)
        self._constraints, self._steps, self._t = constraints, steps, 0
        self._norms = list_norms(config, steps)
        self._places = torch.arange(steps * self.rules.k, device=device)

    def choose(self, log_probs: Tensor, scores: Tensor) -> Choice:
        """Take the continuations of the rows.

        Args:
            log_probs: Of the next tokens (R, V).
            scores: What they are ranked by (R, V); the same tensor where there is no difference.
        """
        rules, t = self.rules, self._t
        ranked = best_continuations(rules, self.state, log_probs, scores, self._constraints)
        numbers = StepNumbers(*self._norms[t], self._places[t * rules.k : (t + 1) * rules.k])
        self._t += 1
        self.state, choice = advance(rules, self.state, ranked, numbers, is_last=self._t == self._steps)
        return choice

    def drops(self, count: int) -> bool:
        """Whether to drop the utterances that have ended, where ``count`` are open."""
        return count < len(self.state.scores)

    def keep_utterances(self, remaining: Tensor) -> None:
        """Drop all utterances but those at ``remaining`` (LongTensor)."""
        self.state = BeamState(*(part[remaining] for part in self.state))
