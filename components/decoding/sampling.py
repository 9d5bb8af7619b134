"""Greedy search and sampling: every row takes one token after another, independently of the others.

A sample is drawn by inverting the cumulative distribution at one uniform number per token. The numbers of a
row come from a generator of its own, seeded by (seed, key of the utterance, number of the sample), so what is
drawn for an utterance does not depend on which others are in the batch.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.ensemble_scorer import EnsembleScorer
from components.decoding.guidance import UNGUIDED, Guidance
from components.decoding.host_copy import copy_to_host, first_true
from components.decoding.logits_processors import History, LogitsProcessor, apply_processors
from components.decoding.moves import Move, check_interval, drop_rows, make_move


@dataclass
class DecodedRows:
    """The tokens that R rows have taken in up to T steps.

    ``tokens`` and their ``log_probs`` are (R, T), ``records`` of the members (R, T, W; see
    :meth:`EnsembleScorer.records_of`), ``lengths`` and ``finished`` (ended by eos) are (R,).
    """

    tokens: Tensor
    log_probs: Tensor
    records: Tensor
    lengths: Tensor
    finished: Tensor


def greedy_or_sample(
    scorer: EnsembleScorer,
    config: SearchConfig,
    logits_processors: Sequence[LogitsProcessor],
    keys: Sequence[int] | None,
    guidance: Guidance = UNGUIDED,
) -> list[list[Candidate]]:
    """Decode greedily, or sample where ``config.temperature`` is above 0; see :func:`.search.search`.

    Returns:
        Per utterance one candidate (greedy) or ``config.n_best`` of them (sampled), best first.
    """
    copies = config.n_best if config.temperature > 0 else 1
    steps = min(config.max_new_tokens, scorer.limit)
    log_probs = scorer.prefill()
    n, device = log_probs.shape[0], log_probs.device
    draws = _draw_uniform(config, keys, n, copies, steps).to(device)
    eos, interval = torch.tensor(scorer.vocabulary.eos, device=device), check_interval(device)
    decoded = allocate_rows(n * copies, steps, scorer.records.width, device)
    alive = torch.arange(n * copies, device=device)
    open_rows, is_open = list(range(n * copies)), torch.ones(n * copies, dtype=torch.bool, device=device)
    source = alive // copies
    move: Move | None = None
    history = History(decoded.tokens[:n, :0], torch.arange(n, device=device), steps)
    for t in range(steps):
        log_probs = apply_processors(logits_processors, log_probs, history)
        scorer.observe(log_probs)
        tokens = _choose_tokens(guidance.apply(log_probs, history), source, draws[alive, t], config)
        token_log_probs = log_probs[source, tokens]
        scorer.finite.watch(token_log_probs, is_open)
        decoded.tokens[alive, t], decoded.log_probs[alive, t] = tokens, token_log_probs
        decoded.records[alive, t] = scorer.records_of(source, tokens).T
        ended = torch.isin(tokens, eos)
        decoded.lengths[alive] += is_open
        decoded.finished[alive] |= ended & is_open
        if t + 1 == steps:
            break
        is_open = is_open & ~ended
        positions: list[int] | None = None
        if (t + 1) % interval == 0:
            positions = scorer.finite.read_flags(is_open)
            if not positions:
                break
        if positions is not None and len(positions) < len(open_rows):
            remaining = first_true(is_open, len(positions))
            open_rows = [open_rows[position] for position in positions]
            alive, source, tokens, is_open = (part[remaining] for part in (alive, source, tokens, is_open))
            if move is not None:
                counts = Counter(row // copies for row in open_rows)
                move = drop_rows(move, source, remaining, len(counts), max(counts.values()))
        elif interval > 1:
            first = make_move(source, alive // copies, (n, copies), is_identity=copies == 1)
            move = (
                first
                if move is None
                else replace(move, beam_indices=source, remaining=None, is_identity=True)
            )
        if move is not None:
            move = replace(move, is_open=is_open)
        log_probs = scorer.step(source, tokens, move)
        source = torch.arange(len(alive), device=device)
        history = History(decoded.tokens[alive, : t + 1], alive // copies, steps)
    scorer.finite.require_finite()
    decoded = DecodedRows(*copy_to_host([getattr(decoded, field.name) for field in fields(decoded)]))
    candidates = [to_candidate(scorer, decoded, row, config, row % copies) for row in range(n * copies)]
    return [
        sorted(candidates[i : i + copies], key=lambda candidate: -candidate.normalized_score)
        for i in range(0, n * copies, copies)
    ]


def allocate_rows(rows: int, steps: int, width: int, device: torch.device) -> DecodedRows:
    """Room for ``steps`` tokens of each row, with ``width`` numbers of records each."""
    return DecodedRows(
        tokens=torch.zeros((rows, steps), dtype=torch.long, device=device),
        log_probs=torch.zeros((rows, steps), device=device),
        records=torch.zeros((rows, steps, width), device=device),
        lengths=torch.zeros(rows, dtype=torch.long, device=device),
        finished=torch.zeros(rows, dtype=torch.bool, device=device),
    )


def _choose_tokens(log_probs: Tensor, source: Tensor, draws: Tensor, config: SearchConfig) -> Tensor:
    """The next token of each row.

    ``source`` (R,) is the row of ``log_probs`` that each row reads (at the first token the rows of an
    utterance share one), ``draws`` (R,) one number in [0, 1) for each.
    """
    if config.temperature == 0:
        return log_probs.argmax(dim=-1)[source]
    probabilities = keep_likely(torch.softmax(log_probs / config.temperature, dim=-1), config)
    mass = probabilities.double().cumsum(dim=-1)
    drawn = torch.searchsorted(mass[source], (draws.double() * mass[source, -1])[:, None], right=True)
    return drawn[:, 0].clamp(max=log_probs.shape[-1] - 1)


def keep_likely(probabilities: Tensor, config: SearchConfig) -> Tensor:
    """Set to 0 what ``top_k``, ``top_p`` and ``epsilon`` cut off, each from what the one before has left.

    The order, and what happens to ties, are those of transformers' ``generate``; the likeliest token always
    stays. Top-k: Fan et al. 2018; nucleus: Holtzman et al. 2020; epsilon: Hewitt et al. 2022.

    Args:
        probabilities: (R, V), each row of sum 1.
        config: the three settings.

    Returns:
        (R, V); rows need no longer sum to 1.
    """
    if 0 < config.top_k < probabilities.shape[-1]:
        lowest = probabilities.topk(config.top_k, dim=-1).values[:, -1:]
        probabilities = _normalize(probabilities.where(probabilities >= lowest, 0))
    if config.top_p < 1:
        ordered, tokens = probabilities.sort(dim=-1, descending=True, stable=True)
        before = ordered.double().cumsum(dim=-1) - ordered
        # The smallest set that reaches top_p: a token stays while the mass before it is below top_p.
        nucleus = torch.zeros_like(probabilities).scatter(-1, tokens, ordered.where(before < config.top_p, 0))
        probabilities = _normalize(nucleus)
    if config.epsilon > 0:
        likeliest = probabilities.amax(dim=-1, keepdim=True)
        probabilities = probabilities.where(
            (probabilities >= config.epsilon) | (probabilities == likeliest), 0
        )
    return probabilities


def _normalize(masses: Tensor) -> Tensor:
    return masses / masses.sum(dim=-1, keepdim=True)


def _draw_uniform(
    config: SearchConfig, keys: Sequence[int] | None, n: int, copies: int, steps: int
) -> Tensor:
    """One number in [0, 1) per row and step, (n * copies, steps)."""
    if config.temperature == 0:
        return torch.zeros((n, steps))
    rows = []
    for key in keys if keys is not None else [0] * n:
        for copy in range(copies):
            name = f"{config.seed}/{key}/{copy}".encode()
            seed = int.from_bytes(hashlib.sha256(name).digest()[:8], "big", signed=True)
            rows.append(torch.rand(steps, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
    return torch.stack(rows)


def to_candidate(
    scorer: EnsembleScorer, decoded: DecodedRows, row: int, config: SearchConfig, copy: int = 0
) -> Candidate:
    """What a row has decoded; ``copy`` is the number of the sample, where it is one."""
    length, finished = int(decoded.lengths[row]), bool(decoded.finished[row])
    log_probs = decoded.log_probs[row, :length]
    member_log_probs, member_weights = scorer.records.member_scores(decoded.records[row, :length])
    entropies, margins = scorer.records.statistics(decoded.records[row, :length])
    score = float(log_probs.sum())
    return Candidate(
        tokens=tuple(decoded.tokens[row, : length - finished].tolist()),
        score=score,
        log_probs=tuple(log_probs.tolist()),
        member_log_probs=member_log_probs,
        member_weights=member_weights,
        eos_token=int(decoded.tokens[row, length - 1]) if finished else None,
        normalized_score=score / length**config.length_penalty,
        entropies=entropies,
        margins=margins,
        draw=copy if config.temperature > 0 else None,
    )
