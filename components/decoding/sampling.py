"""One token after another, rows apart: greedy search and sampling, batched over rows.

A sample is drawn by inverting the cumulative distribution at one uniform number per token. The numbers of a
row come from a generator of its own, seeded by (seed, key of the utterance, number of the sample), so what is
drawn for an utterance does not depend on which others are in the batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.ensemble_scorer import EnsembleScorer
from components.decoding.logits_processors import History, LogitsProcessor, apply_processors


@dataclass
class _DecodedRows:
    """What every row took at every step: ``tokens``, ``values`` (R, T), ``votes`` (R, T, W)."""

    tokens: Tensor
    values: Tensor
    votes: Tensor
    lengths: Tensor
    finished: Tensor


def greedy_or_sample(
    scorer: EnsembleScorer,
    config: SearchConfig,
    logits_processors: Sequence[LogitsProcessor],
    keys: Sequence[int] | None,
) -> list[list[Candidate]]:
    """Greedy (one row per utterance) or sampled (``n_best`` rows) sequences, best first per utterance."""
    copies = config.n_best if config.temperature > 0 else 1
    steps = min(config.max_new_tokens, scorer.limit)
    log_probs = scorer.prefill()
    n, device = log_probs.shape[0], log_probs.device
    draws = _draw_uniform(config, keys, n, copies, steps).to(device)
    eos = torch.tensor(scorer.vocabulary.eos, device=device)
    record = _allocate_rows(n * copies, steps, scorer.width, device)
    alive = torch.arange(n * copies, device=device)
    source = alive // copies
    history = History(record.tokens[:n, :0], torch.arange(n, device=device), steps)
    for t in range(steps):
        log_probs = apply_processors(logits_processors, log_probs, history)
        tokens = _choose_tokens(log_probs, source, draws[alive, t], config)
        ended = torch.isin(tokens, eos)
        record.tokens[alive, t], record.values[alive, t] = tokens, log_probs[source, tokens]
        scorer.require_finite(record.values[alive, t])
        record.votes[alive, t] = scorer.member_log_probs(source, tokens).T
        record.lengths[alive] = t + 1
        record.finished[alive] = ended
        unfinished = (~ended).nonzero()[:, 0]
        if len(unfinished) == 0 or t + 1 == steps:
            break
        log_probs = scorer.step(source[unfinished], tokens[unfinished])
        alive, source = alive[unfinished], torch.arange(len(unfinished), device=device)
        history = History(record.tokens[alive, : t + 1], alive // copies, steps)
    candidates = [_to_candidate(scorer, record, row, config) for row in range(n * copies)]
    return [
        sorted(candidates[i : i + copies], key=lambda candidate: -candidate.normalized_score)
        for i in range(0, n * copies, copies)
    ]


def _allocate_rows(rows: int, steps: int, width: int, device: torch.device) -> _DecodedRows:
    return _DecodedRows(
        tokens=torch.zeros((rows, steps), dtype=torch.long, device=device),
        values=torch.zeros((rows, steps), device=device),
        votes=torch.zeros((rows, steps, width), device=device),
        lengths=torch.zeros(rows, dtype=torch.long, device=device),
        finished=torch.zeros(rows, dtype=torch.bool, device=device),
    )


def _choose_tokens(log_probs: Tensor, source: Tensor, draws: Tensor, config: SearchConfig) -> Tensor:
    """The next token of each row; rows of one utterance may share one ``source`` row of ``log_probs``."""
    if config.temperature == 0:
        return log_probs.argmax(dim=-1)[source]
    probabilities = torch.softmax(log_probs / config.temperature, dim=-1)
    if config.top_p == 1:  # nothing is cut off, so any order will do, and sorting is the dear part
        mass = probabilities.double().cumsum(dim=-1)
        drawn = torch.searchsorted(mass[source], (draws.double() * mass[source, -1])[:, None], right=True)
        return drawn[:, 0].clamp(max=log_probs.shape[-1] - 1)
    ordered, tokens = probabilities.sort(dim=-1, descending=True, stable=True)
    mass = ordered.double().cumsum(dim=-1)
    # The smallest set that reaches top_p: a token stays while the mass before it is below top_p.
    total = torch.where(mass - ordered < config.top_p, mass, 0.0).amax(dim=-1)
    rank = torch.searchsorted(mass[source], (draws.double() * total[source])[:, None], right=True)[:, 0]
    n_kept = (mass < total[:, None]).sum(dim=-1)
    return tokens[source, torch.minimum(rank, n_kept[source])]


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


def _to_candidate(scorer: EnsembleScorer, record: _DecodedRows, row: int, config: SearchConfig) -> Candidate:
    length, finished = int(record.lengths[row]), bool(record.finished[row])
    values = record.values[row, :length]
    members, weights = scorer.to_member_scores(record.votes[row, :length])
    score = float(values.sum())
    return Candidate(
        tokens=tuple(record.tokens[row, : length - finished].tolist()),
        score=score,
        log_probs=tuple(values.tolist()),
        member_log_probs=members,
        member_weights=weights,
        eos_token=int(record.tokens[row, length - 1]) if finished else None,
        normalized_score=score / length**config.length_penalty,
    )
