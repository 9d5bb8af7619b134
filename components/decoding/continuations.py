"""The continuations of the rows of a beam that are worth keeping."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from components.decoding.config import SearchConfig
from components.decoding.ensemble_scorer import EnsembleScorer
from components.decoding.finished_hypotheses import Continuations
from components.decoding.guidance import Guidance
from components.decoding.logits_processors import FORBIDDEN
from components.decoding.phrase_constraints import PhraseConstraints, allocate
from components.decoding.topk import topk

_MAX_CONTINUATIONS = 8
"""Continuations per row of the beam, at most; with more than 7 eos tokens a beam may run out of open rows."""


@dataclass(frozen=True)
class Rows:
    """The rows of a step, b of each of n utterances.

    Attributes:
        log_probs: Of the next token (n * b, V).
        scores: The same with biases and without what constraints forbid.
        totals: Scores of the rows so far (n, b).
        sums: Their log-probabilities so far (n, b).
        utterances: The utterances' positions, 0 to n - 1, (n, 1).
    """

    log_probs: Tensor
    scores: Tensor
    totals: Tensor
    sums: Tensor
    utterances: Tensor


def best_continuations(
    scorer: EnsembleScorer,
    rows: Rows,
    config: SearchConfig,
    steps: int,
    eos: Tensor,
    guidance: Guidance,
) -> Continuations:
    """The best continuations of the rows of each utterance, at one of ``steps`` steps."""
    n, b = rows.totals.shape
    length, constraints = scorer.n_steps + 1, guidance.constraints
    n_continuations = min(max(2, 1 + len(eos)), _MAX_CONTINUATIONS) * config.beam_size
    values, tokens = topk(rows.scores, min(n_continuations, rows.scores.shape[-1]))
    if constraints is not None:
        values, tokens = _add_needed(constraints, rows.scores, values, tokens)
    totals = (values.view(n, b, -1) + rows.totals[:, :, None]).view(n, -1)
    missing: Tensor | None = None
    if constraints is None:
        totals, order = totals.topk(min(n_continuations, totals.shape[1]), dim=-1)
    else:
        progress, missing = _measure_progress(constraints, tokens)
        order = allocate(totals, progress.view(n, -1), min(n_continuations, totals.shape[1]))
        totals, missing = totals.gather(1, order), missing.view(n, -1).gather(1, order)
    if (absent := n_continuations - totals.shape[1]) > 0:
        totals = torch.nn.functional.pad(totals, (0, absent), value=FORBIDDEN)
        order = torch.nn.functional.pad(order, (0, absent))
        missing = None if missing is None else torch.nn.functional.pad(missing, (0, absent))
    parents = order // values.shape[-1]
    log_probs = values.view(n, -1).gather(1, order)
    tokens = tokens.view(n, -1).gather(1, order)
    positions = torch.add(parents, rows.utterances, alpha=b)
    sums = totals
    if guidance.biases:
        log_probs = rows.log_probs[positions, tokens]
        sums = rows.sums.gather(1, parents) + log_probs
    records = scorer.records_of(positions.reshape(-1), tokens.reshape(-1))
    normalized = totals / length**config.length_penalty
    return Continuations(
        scores=totals,
        sums=sums,
        log_probs=log_probs,
        parents=parents,
        tokens=tokens,
        records=records.view(-1, n, tokens.shape[1]).permute(1, 2, 0),
        ends=torch.isin(tokens, eos) if length < steps else torch.ones_like(tokens, dtype=torch.bool),
        normalized=normalized if missing is None else PhraseConstraints.demote(normalized, missing),
    )


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
