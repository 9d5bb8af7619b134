"""Beam search, step by step over a batch, with the semantics of transformers' ``generate``.

Per utterance the best ``(1 + number of eos tokens) * beam`` continuations of its rows are taken (at least
twice the beam); those among the best ``beam`` that end are finished hypotheses, ranked by
score / length ** penalty over the generated length with eos; the best ``beam`` that do not end go on. An
utterance leaves the batch as soon as its stopping rule holds. Scores are sums in float32, as there.

Where there are biases, hypotheses are ranked with them and keep the log-probabilities without. Where there
are constraints, the continuations are taken from banks (see :mod:`.phrase_constraints`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.continuations import Rows, best_continuations
from components.decoding.ensemble_scorer import EnsembleScorer
from components.decoding.finished_hypotheses import Continuations, FinishedHypotheses, FinishedHypothesis
from components.decoding.guidance import UNGUIDED, Guidance
from components.decoding.host_copy import first_true
from components.decoding.logits_processors import FORBIDDEN, History, LogitsProcessor, apply_processors
from components.decoding.moves import check_interval, make_move


@dataclass
class BeamState:
    """The open hypotheses of the n utterances in the batch, k rows each, after t of T tokens.

    Attributes:
        ids: Index of the utterance (n,).
        positions: 0 to n - 1, (n, 1).
        row_ids: The same of every row (n * k,).
        scores: Sum of log-probabilities and biases (n, k), -inf where a row is not in use.
        sums: Sum of log-probabilities (n, k).
        tokens: Generated tokens (n, k, T).
        is_open: Whether the utterance is still searched (n,); on the CPU all in the batch are.
    """

    ids: Tensor
    positions: Tensor
    row_ids: Tensor
    scores: Tensor
    sums: Tensor
    tokens: Tensor
    is_open: Tensor

    def keep_utterances(self, indices: Tensor) -> None:
        """Keep the utterances at ``indices`` (LongTensor), drop the others."""
        k = self.scores.shape[1]
        self.ids, self.scores, self.tokens = self.ids[indices], self.scores[indices], self.tokens[indices]
        self.sums, self.positions = self.sums[indices], self.positions[: len(indices)]
        self.row_ids, self.is_open = _repeat(self.ids, k), self.is_open[indices]


def beam_search(
    scorer: EnsembleScorer,
    config: SearchConfig,
    logits_processors: Sequence[LogitsProcessor],
    guidance: Guidance = UNGUIDED,
) -> list[list[Candidate]]:
    """Search with ``config.beam_size`` rows per utterance; see :func:`.search.search`.

    Returns:
        Per utterance the best ``config.n_best`` candidates, best first.
    """
    k, steps = config.beam_size, min(config.max_new_tokens, scorer.limit)
    log_probs = scorer.prefill()
    n, device = len(log_probs), log_probs.device
    state, finished = initial_state(log_probs, k, steps), FinishedHypotheses(n, k, device)
    constraints = guidance.constraints
    eos, interval = torch.tensor(scorer.vocabulary.eos, device=device), check_interval(device)
    for t in range(steps):
        width = 1 if t == 0 else k
        owners = state.ids if t == 0 else state.row_ids
        history = History(state.tokens[:, :width, :t].flatten(0, 1), owners, steps)
        log_probs = apply_processors(logits_processors, log_probs, history)
        scorer.observe(log_probs)
        scores = guidance.apply(log_probs, history)
        if constraints is not None:
            constraints.observe(history)
            scores = constraints.forbid_ends(scores.clone(), scorer.vocabulary.eos)
        totals, sums = state.scores[:, :width], state.sums[:, :width]
        rows_of_step = Rows(log_probs, scores, totals, sums, state.positions)
        continuations = best_continuations(scorer, rows_of_step, config, steps, eos, guidance)
        scorer.finite.watch(continuations.scores, state.is_open)
        finished.add(continuations)
        best, rows = select_continuations(state, continuations, t, k, ordered=constraints is not None)
        finished.go_on(continuations, best)
        if t + 1 == steps:
            break
        state.is_open = state.is_open & _can_go_on(state, finished.worst, t + 1, steps, config)
        remaining: Tensor | None = None
        if (t + 1) % interval == 0:
            positions = scorer.finite.read_flags(state.is_open)
            if not positions:
                break
            if len(positions) < len(rows):
                remaining = first_true(state.is_open, len(positions))
                rows = rows[remaining]
                state.keep_utterances(remaining)
                finished.keep_utterances(remaining, positions)
        beam_indices, move = rows.reshape(-1), None
        if interval > 1:
            state.scores.masked_fill_(~state.is_open[:, None], FORBIDDEN)  # what is closed stays closed
            if t == 0 or remaining is not None:
                utterances = _repeat(torch.arange(len(rows), device=device), k)
            move = make_move(
                beam_indices,
                utterances,
                (len(rows), k),
                remaining=remaining,
                is_open=_repeat(state.is_open, k),
            )
        log_probs = scorer.step(beam_indices, state.tokens[:, :, t].reshape(-1), move)
    scorer.finite.require_finite()
    candidates = [list(map(partial(_to_candidate, scorer), each)) for each in finished.read(config.n_best)]
    return candidates if constraints is None else constraints.mark(candidates)


def _repeat(values: Tensor, k: int) -> Tensor:
    """Each of the values (n,) k times in a row (n * k,)."""
    return values[:, None].expand(-1, k).reshape(-1)


def initial_state(log_probs: Tensor, k: int, steps: int) -> BeamState:
    """The state before the first token: ``log_probs`` (N, V) of it."""
    n, device = log_probs.shape[0], log_probs.device
    scores = torch.full((n, k), FORBIDDEN, device=device)
    scores[:, 0] = 0.0
    ids = torch.arange(n, device=device)
    return BeamState(
        ids=ids,
        positions=ids[:, None],
        row_ids=_repeat(ids, k),
        scores=scores,
        sums=scores,
        tokens=torch.zeros((n, k, steps), dtype=torch.long, device=device),
        is_open=torch.ones(n, dtype=torch.bool, device=device),
    )


def select_continuations(
    state: BeamState, continuations: Continuations, t: int, k: int, *, ordered: bool = False
) -> tuple[Tensor, Tensor]:
    """Move every utterance to its best ``k`` continuations that do not end; ``ordered``: to the first ones.

    Returns:
        Which of the continuations its rows take (n, k), and the row of the step before, counted over all
        utterances, that each row continues (n, k).
    """
    b = 1 if t == 0 else k
    open_scores = continuations.scores.masked_fill(continuations.ends, FORBIDDEN)
    if ordered:
        first = (open_scores == FORBIDDEN).long().argsort(dim=-1, stable=True)[:, :k]
        scores, order = open_scores.gather(1, first).sort(dim=-1, descending=True, stable=True)
        best = first.gather(1, order)
    else:
        scores, best = open_scores.topk(k, dim=-1)
    parents = continuations.parents.gather(1, best)
    is_biased = continuations.sums is not continuations.scores
    state.scores, state.sums = scores, continuations.sums.gather(1, best) if is_biased else scores
    if t:
        state.tokens[:, :, :t] = state.tokens[state.positions, parents, :t]
    state.tokens[:, :, t] = continuations.tokens.gather(1, best)
    return best, torch.add(parents, state.positions, alpha=b)


def _can_go_on(state: BeamState, worst: Tensor, length: int, steps: int, config: SearchConfig) -> Tensor:
    """Whether each utterance has an open row, and its best one can still beat its ``worst`` finished (n,)."""
    has_row = state.scores[:, 0] > FORBIDDEN
    if config.early_stopping is True:
        return has_row & (worst == FORBIDDEN)
    final_length = steps if config.early_stopping == "never" and config.length_penalty > 0 else length
    best: Tensor = state.scores[:, 0] / final_length**config.length_penalty
    return has_row & (best > worst)  # -inf where there is room for one more


def _to_candidate(scorer: EnsembleScorer, hypothesis: FinishedHypothesis) -> Candidate:
    member_log_probs, member_weights = scorer.records.member_scores(hypothesis.records)
    entropies, margins = scorer.records.statistics(hypothesis.records)
    *tokens, last = hypothesis.tokens
    has_ended = last in scorer.vocabulary.eos
    return Candidate(
        tokens=tuple(tokens) if has_ended else (*tokens, last),
        score=hypothesis.score,
        log_probs=tuple(hypothesis.log_probs),
        member_log_probs=member_log_probs,
        member_weights=member_weights,
        eos_token=last if has_ended else None,
        normalized_score=hypothesis.normalized,
        entropies=entropies,
        margins=margins,
    )
