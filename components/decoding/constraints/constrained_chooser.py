"""The choice of a beam search from banks: the continuations that have met as much of the constraints."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.constraints.logits_processors import FORBIDDEN, History
from components.decoding.constraints.phrase_constraints import DEMOTION, PhraseConstraints
from components.decoding.scorers import Vocabulary
from components.decoding.searches.beam_choice import BeamChooser
from components.decoding.searches.beam_step import Choice, RankedTokens, add_totals, fill_up
from components.decoding.tokens.topk import topk


@dataclass(frozen=True)
class BeamAllocation:
    """Constraints as a search takes them (:class:`.guidance.Constraints`)."""

    constraints: PhraseConstraints

    def chooser(
        self,
        config: SearchConfig,
        vocabulary: Vocabulary,
        n: int,
        steps: int,
        device: torch.device,
        *,
        keeps_closed: bool,
    ) -> ConstrainedChooser:
        """See :meth:`.guidance.Constraints.chooser`."""
        return ConstrainedChooser(
            self.constraints, config, vocabulary, n, steps, device, keeps_closed=keeps_closed
        )


class ConstrainedChooser(BeamChooser):
    """:class:`.BeamChooser` by dynamic beam allocation."""

    def __init__(
        self,
        constraints: PhraseConstraints,
        config: SearchConfig,
        vocabulary: Vocabulary,
        n: int,
        steps: int,
        device: torch.device,
        *,
        keeps_closed: bool,
    ) -> None:
        """Begin a search; the other arguments are those of :class:`.BeamChooser`."""
        super().__init__(config, vocabulary, n, steps, device, keeps_closed=keeps_closed)
        self._constraints, self._eos = constraints, vocabulary.eos

    def choose(self, log_probs: Tensor, scores: Tensor, history: History) -> Choice:
        """See :meth:`.BeamChooser.choose`."""
        self._constraints.observe(history)
        scores = self._constraints.forbid_ends(scores.clone(), self._eos)
        return super().choose(log_probs, scores, history)

    def _rank(self, log_probs: Tensor, scores: Tensor) -> RankedTokens:
        rules, state, constraints = self.rules, self.state, self._constraints
        values, tokens = _add_needed(constraints, scores, *topk(scores, rules.n_tokens))
        token_log_probs, n = log_probs.gather(1, tokens), len(state.scores)
        totals = add_totals(rules, state, values)
        progress, missing = _measure_progress(constraints, tokens)
        order = allocate(totals, progress.view(n, -1), min(rules.n_continuations, totals.shape[1]))
        totals, penalties = totals.gather(1, order), DEMOTION * missing.view(n, -1).gather(1, order)
        return fill_up(rules, RankedTokens(values, tokens, token_log_probs, totals, order, penalties))

    def mark(self, candidates: list[list[Candidate]]) -> list[list[Candidate]]:
        """See :meth:`.BeamChooser.mark`."""
        return self._constraints.mark(candidates)


def _add_needed(
    constraints: PhraseConstraints, scores: Tensor, values: Tensor, tokens: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the best tokens of each row (R, C) with their scores, and those that its constraints need."""
    needed = [
        [token for token in constraints.list_needed(row) if token not in best]
        for row, best in enumerate(map(set, tokens.tolist()))
    ]
    width = max(map(len, needed))
    if width == 0:
        return values, tokens
    further = torch.tensor([[*each, *[0] * (width - len(each))] for each in needed], device=tokens.device)
    is_needed = torch.arange(width) < torch.tensor(list(map(len, needed)))[:, None]
    further_values = scores.gather(1, further).masked_fill(~is_needed.to(scores.device), FORBIDDEN)
    return torch.cat([values, further_values], 1), torch.cat([tokens, further], 1)


def _measure_progress(constraints: PhraseConstraints, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Of each token (R, C) of each row its progress, and how many phrases would be missing after it."""
    rows = tokens.tolist()
    progress = [[constraints.progress(r, token) for token in row] for r, row in enumerate(rows)]
    missing = [[constraints.count_missing(r, token) for token in row] for r, row in enumerate(rows)]
    return torch.tensor(progress, device=tokens.device), torch.tensor(missing, device=tokens.device)


def allocate(totals: Tensor, banks: Tensor, size: int) -> Tensor:
    """Return the first ``size`` of N lists of candidates, bank by bank.

    Args:
        totals: their scores (N, C), -inf where there is none.
        banks: their banks (N, C).
        size: of the lists that are returned, at most C.

    Returns:
        Positions (N, size): the best of every bank, highest bank first, then the second best, and so on.
    """
    order = totals.argsort(dim=1, descending=True, stable=True)
    sorted_banks = banks.gather(1, order)
    same = sorted_banks[:, :, None] == sorted_banks[:, None, :]
    rank = same.tril(-1).sum(2).masked_fill(totals.gather(1, order) == FORBIDDEN, totals.shape[1])
    # Stable sorts from the last key to the first: score, bank, rank within the bank.
    by_bank = sorted_banks.argsort(dim=1, descending=True, stable=True)
    by_rank = rank.gather(1, by_bank).argsort(dim=1, stable=True)
    return order.gather(1, by_bank.gather(1, by_rank))[:, :size]
