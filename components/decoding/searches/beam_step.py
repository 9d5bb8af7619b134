"""One step of a beam search as a function of tensors: it asks the device for nothing, off the CPU.

Letters in shapes: n utterances, b rows each (one before the first token, then k), R = n b rows, W tokens of a
row that are looked at, C continuations of an utterance that are kept.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from components.decoding.config import SearchConfig
from components.decoding.constraints.logits_processors import FORBIDDEN
from components.decoding.scorers import Vocabulary

_MAX_CONTINUATIONS = 8
"""Continuations per row of the beam, at most; with more than 7 eos tokens a beam may run out of open rows."""


class BeamRules(NamedTuple):
    """What stays the same from step to step.

    Attributes:
        k: rows of an utterance.
        n_continuations: C.
        n_tokens: W, at most, unless a search needs certain tokens.
        stops_when_full: whether k finished hypotheses end an utterance.
        is_eos: which tokens end a sequence (V,).
        positions: 0, 1, 2 and so on (N, 1), for as many utterances as there are at first.
        forbidden: -inf, without dimensions; a number of the host would become a tensor at every step.
        keeps_closed: whether utterances stay in the batch after their end.
    """

    k: int
    n_continuations: int
    n_tokens: int
    stops_when_full: bool
    is_eos: Tensor
    positions: Tensor
    forbidden: Tensor
    keeps_closed: bool


class BeamState(NamedTuple):
    """What one step leaves to the next.

    Attributes:
        scores: what the open hypotheses are ranked by (n, k), best first: sums of log-probabilities and of
            biases; -inf where a row is not in use.
        sums: their log-probabilities (n, k).
        is_open: whether the utterance is still searched (n,).
        ranks: normalized scores of the finished hypotheses (n, k), best first; -inf where there is none.
        positions: where they are: step * k + continuation (n, k).
    """

    scores: Tensor
    sums: Tensor
    is_open: Tensor
    ranks: Tensor
    positions: Tensor


class StepNumbers(NamedTuple):
    """What depends on how many tokens there are.

    Attributes:
        norm: what scores are divided by with the new token.
        final_norm: the same of the longest text that the best open hypothesis may become.
        positions: those of the first k continuations (k,).
    """

    norm: float | Tensor
    final_norm: float | Tensor
    positions: Tensor


class RankedTokens(NamedTuple):
    """The best tokens of every row, and the best of an utterance among them.

    Attributes:
        values: what the tokens are ranked by (R, W): log-probabilities and biases.
        tokens: the tokens (R, W).
        log_probs: their log-probabilities (R, W); ``values`` where there is no bias.
        totals: scores of the C best continuations of each utterance (n, C), in the order in which they are
            taken.
        order: where these are among the b W of the utterance (n, C).
        penalties: are taken from the normalized scores of those that end (n, C); of those that do not, the
            first go on, not the best. None: the best go on.
    """

    values: Tensor
    tokens: Tensor
    log_probs: Tensor
    totals: Tensor
    order: Tensor
    penalties: Tensor | None = None


class Choice(NamedTuple):
    """What a step has chosen.

    Attributes:
        order: as in :class:`RankedTokens`.
        tokens: the C continuations (n, C).
        totals: as in :class:`RankedTokens`.
        sums: their log-probabilities with what is before them (n, C); ``totals`` where there is no bias.
        rows: the row that each continues, counted over all utterances (n, C).
        log_probs: as in :class:`RankedTokens`.
        best: which of the C the rows of the next step are (n, k).
        beam_indices: the row that each of these continues, counted over all utterances (n, k).
        next_tokens: the token that it takes (n, k).
        is_open: as in :class:`BeamState`.
    """

    order: Tensor
    tokens: Tensor
    totals: Tensor
    sums: Tensor
    rows: Tensor
    log_probs: Tensor
    best: Tensor
    beam_indices: Tensor
    next_tokens: Tensor
    is_open: Tensor


def make_rules(
    config: SearchConfig, vocabulary: Vocabulary, n: int, device: torch.device, *, keeps_closed: bool
) -> BeamRules:
    """Return the rules of a search for tokens of a vocabulary, for at most ``n`` utterances."""
    k = config.beam_size
    n_continuations = min(max(2, 1 + len(vocabulary.eos)), _MAX_CONTINUATIONS) * k
    return BeamRules(
        k=k,
        n_continuations=n_continuations,
        n_tokens=min(n_continuations, vocabulary.size),
        stops_when_full=config.early_stopping is True,
        is_eos=vocabulary.mark_eos(device),
        positions=torch.arange(n, device=device)[:, None],
        forbidden=torch.full((), FORBIDDEN, device=device),
        keeps_closed=keeps_closed,
    )


def list_norms(config: SearchConfig, steps: int) -> list[tuple[float, float]]:
    """Return ``norm`` and ``final_norm`` of each of ``steps`` steps; see :class:`StepNumbers`."""
    norms = [length**config.length_penalty for length in range(1, steps + 1)]
    looks_ahead = config.early_stopping == "never" and config.length_penalty > 0
    return [(norm, norms[-1] if looks_ahead else norm) for norm in norms]


def initial_state(n: int, k: int, device: torch.device) -> BeamState:
    """Return the state before the first token."""
    scores = torch.full((n, k), FORBIDDEN, device=device)
    ranks = scores.clone()
    scores[:, 0] = 0.0
    is_open = torch.ones(n, dtype=torch.bool, device=device)
    return BeamState(scores, scores, is_open, ranks, torch.zeros((n, k), dtype=torch.long, device=device))


def add_totals(rules: BeamRules, state: BeamState, values: Tensor) -> Tensor:
    """Return scores (n, b W) with the tokens of every row; -inf in utterances that are closed."""
    n = len(state.scores)
    b = len(values) // n
    totals = (values.view(n, b, -1) + state.scores[:, :b, None]).view(n, -1)
    return torch.where(state.is_open[:, None], totals, rules.forbidden) if rules.keeps_closed else totals


def rank_tokens(
    rules: BeamRules, state: BeamState, values: Tensor, tokens: Tensor, log_probs: Tensor
) -> RankedTokens:
    """Return the best continuations of every utterance, by score."""
    totals = add_totals(rules, state, values)
    totals, order = totals.topk(min(rules.n_continuations, totals.shape[1]), dim=-1)
    return fill_up(rules, RankedTokens(values, tokens, log_probs, totals, order))


def fill_up(rules: BeamRules, ranked: RankedTokens) -> RankedTokens:
    """Return the same with C continuations, the last of score -inf where the vocabulary has fewer."""
    absent = rules.n_continuations - ranked.totals.shape[1]
    if absent <= 0:
        return ranked
    penalties = None if ranked.penalties is None else pad(ranked.penalties, (0, absent))
    totals, order = pad(ranked.totals, (0, absent), value=FORBIDDEN), pad(ranked.order, (0, absent))
    return ranked._replace(totals=totals, order=order, penalties=penalties)


def advance(
    rules: BeamRules, state: BeamState, ranked: RankedTokens, numbers: StepNumbers, *, is_last: bool
) -> tuple[BeamState, Choice]:
    """Finish what ends, and go on with the best k continuations of each utterance that do not.

    Args:
        rules: those of the search.
        state: before this step.
        ranked: the continuations.
        numbers: of this step.
        is_last: whether all of them end.
    """
    k, n, (totals, order) = rules.k, len(state.scores), (ranked.totals, ranked.order)
    flat = torch.add(order, rules.positions[:n], alpha=ranked.values.numel() // n)
    rows = torch.div(flat, ranked.values.shape[1], rounding_mode="floor")
    tokens = ranked.tokens.view(-1)[flat]
    ends = torch.ones_like(tokens, dtype=torch.bool) if is_last else rules.is_eos[tokens]
    normalized = totals[:, :k] / numbers.norm
    if ranked.penalties is not None:
        normalized = normalized - ranked.penalties[:, :k]
    ranks, positions = _add_finished(rules, state, normalized, ends[:, :k], numbers.positions)
    scores, best = _select_open(totals.masked_fill(ends, FORBIDDEN), k, ordered=ranked.penalties is not None)
    sums, next_sums = totals, scores
    if ranked.log_probs is not ranked.values:
        before = state.sums[:, : len(ranked.values) // n, None]
        sums = (ranked.log_probs.view(n, before.shape[1], -1) + before).view(-1)[flat]
        next_sums = sums.gather(1, best)
    worst = ranks[:, -1]  # -inf where there is room for one more
    if rules.stops_when_full:
        goes_on = (scores[:, 0] > FORBIDDEN) & (worst == FORBIDDEN)
    else:
        goes_on = scores[:, 0] / numbers.final_norm > worst
    is_open = state.is_open & goes_on
    choice = Choice(
        order,
        tokens,
        totals,
        sums,
        rows,
        ranked.log_probs,
        best,
        beam_indices=rows.gather(1, best),
        next_tokens=tokens.gather(1, best),
        is_open=is_open,
    )
    return BeamState(scores, next_sums, is_open, ranks, positions), choice


def _add_finished(
    rules: BeamRules, state: BeamState, normalized: Tensor, ends: Tensor, positions: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the finished hypotheses with those of the best k continuations (n, k) that end."""
    if not rules.keeps_closed and not bool(ends.any()):  # the CPU is asked for nothing by this
        return state.ranks, state.positions
    new = torch.where(ends, normalized, rules.forbidden)
    # Stable: of equal ones those that finished before, or are better in the beam, stay.
    ranked = torch.cat([state.ranks, new], dim=1).sort(dim=1, descending=True, stable=True)
    first = ranked.indices[:, : rules.k]
    positions = torch.cat([state.positions, positions.expand_as(new)], dim=1).gather(1, first)
    return ranked.values[:, : rules.k], positions


def _select_open(scores: Tensor, k: int, *, ordered: bool) -> tuple[Tensor, Tensor]:
    """Return the k best of the scores (n, C), best first, and where; ``ordered``: the first that are open."""
    if not ordered:
        values, best = scores.topk(k, dim=-1)
        return values, best
    first = (scores == FORBIDDEN).long().argsort(dim=-1, stable=True)[:, :k]
    values, order = scores.gather(1, first).sort(dim=-1, descending=True, stable=True)
    return values, first.gather(1, order)
