"""The continuations of the rows of a beam that are worth keeping, with and without constraints."""

from __future__ import annotations

import torch
from torch import Tensor

from components.decoding.constraints.logits_processors import FORBIDDEN
from components.decoding.constraints.phrase_constraints import PhraseConstraints, allocate
from components.decoding.searches.beam_step import (
    BeamRules,
    BeamState,
    RankedTokens,
    add_totals,
    fill_up,
    rank_tokens,
)
from components.decoding.topk import topk


def best_continuations(
    rules: BeamRules,
    state: BeamState,
    log_probs: Tensor,
    scores: Tensor,
    constraints: PhraseConstraints | None = None,
) -> RankedTokens:
    """The best continuations of the rows of each utterance.

    Args:
        rules: Those of the search.
        state: Before this step.
        log_probs: Of the next token (R, V).
        scores: The same with biases and without what constraints forbid; the same tensor where there is no
            difference.
        constraints: They have seen the rows.
    """
    values, tokens = topk(scores, rules.n_tokens)
    if constraints is not None:
        values, tokens = _add_needed(constraints, scores, values, tokens)
    token_log_probs = values if scores is log_probs else log_probs.gather(1, tokens)
    if constraints is None:
        return rank_tokens(rules, state, values, tokens, token_log_probs)
    n, totals = len(state.scores), add_totals(rules, state, values)
    progress, missing = _measure_progress(constraints, tokens)
    order = allocate(totals, progress.view(n, -1), min(rules.n_continuations, totals.shape[1]))
    totals, missing = totals.gather(1, order), missing.view(n, -1).gather(1, order)
    return fill_up(rules, RankedTokens(values, tokens, token_log_probs, totals, order, missing))


def _add_needed(
    constraints: PhraseConstraints, scores: Tensor, values: Tensor, tokens: Tensor
) -> tuple[Tensor, Tensor]:
    """The best tokens of each row (R, C) with their scores, and those that its constraints need."""
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
