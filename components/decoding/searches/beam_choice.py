"""The choice of a beam search: which hypotheses go on, and which end."""

from __future__ import annotations

import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.constraints.logits_processors import History
from components.decoding.scorers import Vocabulary
from components.decoding.searches.beam_step import (
    BeamState,
    Choice,
    RankedTokens,
    StepNumbers,
    advance,
    initial_state,
    list_norms,
    make_rules,
    rank_tokens,
)
from components.decoding.tokens.topk import topk


class BeamChooser:
    """Takes the continuations of a beam's rows, step by step.

    Attributes:
        rules: what stays the same from step to step.
        state: after the latest step.
    """

    def __init__(
        self,
        config: SearchConfig,
        vocabulary: Vocabulary,
        n: int,
        steps: int,
        device: torch.device,
        *,
        keeps_closed: bool,
    ) -> None:
        """Begin a search.

        Args:
            config: its settings.
            vocabulary: of its tokens.
            n: utterances.
            steps: tokens of one at most.
            device: where the search is.
            keeps_closed: whether utterances stay in the batch after their end.
        """
        self.rules = make_rules(config, vocabulary, n, device, keeps_closed=keeps_closed)
        self.state = initial_state(n, self.rules.k, device)
        self._steps, self._t = steps, 0
        self._norms = list_norms(config, steps)
        self._positions = torch.arange(steps * self.rules.k, device=device)

    def choose(self, log_probs: Tensor, scores: Tensor, history: History) -> Choice:
        """Take the continuations of the rows.

        Args:
            log_probs: of the next tokens (R, V).
            scores: what they are ranked by (R, V); the same tensor where there is no difference.
            history: what the rows have generated.
        """
        rules, t = self.rules, self._t
        ranked = self._rank(log_probs, scores)
        numbers = StepNumbers(*self._norms[t], self._positions[t * rules.k : (t + 1) * rules.k])
        self._t += 1
        self.state, choice = advance(rules, self.state, ranked, numbers, is_last=self._t == self._steps)
        return choice

    def _rank(self, log_probs: Tensor, scores: Tensor) -> RankedTokens:
        """Return the best continuations of the rows of each utterance."""
        values, tokens = topk(scores, self.rules.n_tokens)
        token_log_probs = values if scores is log_probs else log_probs.gather(1, tokens)
        return rank_tokens(self.rules, self.state, values, tokens, token_log_probs)

    def mark(self, candidates: list[list[Candidate]]) -> list[list[Candidate]]:
        """Return the candidates of every utterance, with what else is known of them."""
        return candidates

    def drops(self, count: int) -> bool:
        """Return whether to drop the utterances that have ended, where ``count`` are open."""
        return count < len(self.state.scores)

    def keep_utterances(self, remaining: Tensor) -> None:
        """Drop all utterances but those at ``remaining`` (LongTensor)."""
        self.state = BeamState(*(part[remaining] for part in self.state))
