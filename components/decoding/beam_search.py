"""Beam search, step by step over a batch, with the semantics of transformers' ``generate``.

Per utterance the best ``(1 + number of eos tokens) * beam`` continuations of its rows are taken (at least
twice the beam); those among the best ``beam`` that end are finished hypotheses, ranked by
score / length ** penalty over the generated length with eos; the best ``beam`` that do not end go on. An
utterance leaves the batch as soon as its stopping rule holds. Scores are sums in float32, as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.ensemble_scorer import EnsembleScorer
from components.decoding.logits_processors import FORBIDDEN, History, LogitsProcessor, apply_processors
from components.decoding.topk import topk

_MAX_CONTINUATIONS = 8
"""Continuations per row of the beam, at most; with more than 7 eos tokens a beam may run out of open rows."""


@dataclass
class BeamState:
    """The open hypotheses of the n utterances that are still searched, k rows each, after t of T tokens.

    Attributes:
        ids: Index of the utterance (n,).
        scores: Sum of log-probabilities (n, k), -inf where a row is not in use.
        tokens: Generated tokens (n, k, T).
        log_probs: Their log-probabilities (n, k, T).
        records: What the members gave them (n, k, T, W; see :meth:`EnsembleScorer.records_of`).
        worst_finished: Normalised score of the worst of a full set of k finished hypotheses (n,), -inf while
            the set is not full.
    """

    ids: Tensor
    scores: Tensor
    tokens: Tensor
    log_probs: Tensor
    records: Tensor
    worst_finished: Tensor

    def keep_utterances(self, indices: Tensor) -> None:
        """Keep the utterances at ``indices`` (LongTensor), drop the others."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name)[indices])


@dataclass(frozen=True)
class _Continuations:
    """The C best continuations of each of n utterances, best first.

    Attributes:
        scores: Sum of log-probabilities with the new token (n, C).
        log_probs: Log-probability of the new token (n, C).
        parents: Row of the beam that is continued (n, C).
        tokens: The new token (n, C).
        records: What the members gave it (n, C, W).
        ends: Whether it is an eos token (n, C).
    """

    scores: Tensor
    log_probs: Tensor
    parents: Tensor
    tokens: Tensor
    records: Tensor
    ends: Tensor


def beam_search(
    scorer: EnsembleScorer, config: SearchConfig, logits_processors: Sequence[LogitsProcessor]
) -> list[list[Candidate]]:
    """Search with ``config.beam_size`` rows per utterance; see :func:`.search.search`.

    Returns:
        Per utterance the best ``config.n_best`` candidates, best first.
    """
    k, steps = config.beam_size, min(config.max_new_tokens, scorer.limit)
    log_probs = scorer.prefill()
    state = initial_state(log_probs, k, steps, scorer.record_width)
    hypotheses: list[list[Candidate]] = [[] for _ in range(log_probs.shape[0])]
    eos = torch.tensor(scorer.vocabulary.eos, device=log_probs.device)
    for t in range(steps):
        width = 1 if t == 0 else k
        history = History(
            state.tokens[:, :width, :t].flatten(0, 1), state.ids.repeat_interleave(width), steps
        )
        log_probs = apply_processors(logits_processors, log_probs, history)
        scorer.observe(log_probs)
        continuations = _best_continuations(scorer, log_probs, state.scores[:, :width], k, eos)
        ends = continuations.ends | (t + 1 == steps)
        _collect_finished(scorer, hypotheses, state, continuations, ends, config)
        is_open, rows = select_continuations(state, continuations, ends, t, k)
        is_open &= _can_improve(state, t + 1, steps, config)
        open_indices = is_open.nonzero()[:, 0]
        if len(open_indices) == 0:
            break
        if len(open_indices) < len(is_open):
            rows = rows[open_indices]
            state.keep_utterances(open_indices)
        log_probs = scorer.step(rows.reshape(-1), state.tokens[:, :, t].reshape(-1))
    return [candidates[: config.n_best] for candidates in hypotheses]


def initial_state(log_probs: Tensor, k: int, steps: int, width: int) -> BeamState:
    """The state before the first token: ``log_probs`` (N, V) of it."""
    n, device = log_probs.shape[0], log_probs.device
    scores = torch.full((n, k), FORBIDDEN, device=device)
    scores[:, 0] = 0.0
    return BeamState(
        ids=torch.arange(n, device=device),
        scores=scores,
        tokens=torch.zeros((n, k, steps), dtype=torch.long, device=device),
        log_probs=torch.zeros((n, k, steps), device=device),
        records=torch.zeros((n, k, steps, width), device=device),
        worst_finished=torch.full((n,), FORBIDDEN, device=device),
    )


def _best_continuations(
    scorer: EnsembleScorer, log_probs: Tensor, scores: Tensor, k: int, eos: Tensor
) -> _Continuations:
    """The best continuations of the b rows of each utterance: ``log_probs`` (n * b, V), ``scores`` (n, b)."""
    n, b = scores.shape
    size = log_probs.shape[-1]
    n_continuations = min(max(2, 1 + len(eos)), _MAX_CONTINUATIONS) * k
    values, tokens = topk(log_probs, min(n_continuations, size))
    totals = (values.view(n, b, -1) + scores[:, :, None]).view(n, -1)
    totals, order = totals.topk(min(n_continuations, totals.shape[1]), dim=-1)
    if totals.shape[1] < n_continuations:
        totals = torch.nn.functional.pad(totals, (0, n_continuations - totals.shape[1]), value=FORBIDDEN)
        order = torch.nn.functional.pad(order, (0, n_continuations - order.shape[1]))
    scorer.require_finite(totals)
    parents = order // values.shape[-1]
    tokens = tokens.view(n, -1).gather(1, order)
    rows = parents + torch.arange(n, device=parents.device)[:, None] * b
    records = scorer.records_of(rows.reshape(-1), tokens.reshape(-1))
    return _Continuations(
        scores=totals,
        log_probs=values.view(n, -1).gather(1, order),
        parents=parents,
        tokens=tokens,
        records=records.view(-1, n, tokens.shape[1]).permute(1, 2, 0),
        ends=torch.isin(tokens, eos),
    )


def _collect_finished(
    scorer: EnsembleScorer,
    hypotheses: list[list[Candidate]],
    state: BeamState,
    continuations: _Continuations,
    ends: Tensor,
    config: SearchConfig,
) -> None:
    """Add those of the best k continuations that end to ``hypotheses``, of which the best k are kept."""
    k, t = config.beam_size, scorer.n_steps
    ended = ends[:, :k] & (continuations.scores[:, :k] > FORBIDDEN)
    if not bool(ended.any()):
        return
    normalized = continuations.scores / (t + 1) ** config.length_penalty
    changed = set()
    for i, j in ended.nonzero().tolist():
        utterance, parent = int(state.ids[i]), int(continuations.parents[i, j])
        eos = bool(continuations.ends[i, j])
        tokens = state.tokens[i, parent, :t].tolist() + ([] if eos else [int(continuations.tokens[i, j])])
        records = torch.cat([state.records[i, parent, :t], continuations.records[i, j][None]])
        member_log_probs, member_weights = scorer.to_member_scores(records)
        entropies, margins = scorer.to_statistics(records)
        candidate = Candidate(
            tokens=tuple(tokens),
            score=float(continuations.scores[i, j]),
            log_probs=(*state.log_probs[i, parent, :t].tolist(), float(continuations.log_probs[i, j])),
            member_log_probs=member_log_probs,
            member_weights=member_weights,
            eos_token=int(continuations.tokens[i, j]) if eos else None,
            normalized_score=float(normalized[i, j]),
            entropies=entropies,
            margins=margins,
        )
        hypotheses[utterance].append(candidate)
        changed.add((i, utterance))
    for i, utterance in changed:
        hypotheses[utterance] = sorted(hypotheses[utterance], key=lambda c: -c.normalized_score)[:k]
        if len(hypotheses[utterance]) == k:
            state.worst_finished[i] = hypotheses[utterance][-1].normalized_score


def select_continuations(
    state: BeamState, continuations: _Continuations, ends: Tensor, t: int, k: int
) -> tuple[Tensor, Tensor]:
    """Move every utterance to its best ``k`` continuations that do not end.

    Returns:
        Whether each utterance has an open row left (n,), and the row of the step before, counted over all
        utterances, that each row continues (n, k).
    """
    n, b = len(state.ids), 1 if t == 0 else k
    scores, best = continuations.scores.masked_fill(ends, FORBIDDEN).topk(k, dim=-1)
    parents = continuations.parents.gather(1, best)
    rows = parents + torch.arange(n, device=parents.device)[:, None] * b
    utterances = torch.arange(n, device=parents.device)[:, None]
    state.scores = scores
    for name in ("tokens", "log_probs", "records"):
        past = getattr(state, name)
        if t:
            past[:, :, :t] = past[utterances, parents, :t]
        past[:, :, t] = getattr(continuations, name)[utterances, best]
    return scores[:, 0] > FORBIDDEN, rows


def _can_improve(state: BeamState, length: int, steps: int, config: SearchConfig) -> Tensor:
    """Whether the best open row of each utterance can still beat its worst finished hypothesis (n,)."""
    is_full = state.worst_finished > FORBIDDEN
    if config.early_stopping is True:
        return ~is_full
    final_length = steps if config.early_stopping == "never" and config.length_penalty > 0 else length
    best: Tensor = state.scores[:, 0] / final_length**config.length_penalty
    return ~is_full | (best > state.worst_finished)
