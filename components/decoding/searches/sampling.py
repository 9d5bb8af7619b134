"""Greedy search and sampling: every row takes one token after another, independently of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import UNGUIDED, Guidance
from components.decoding.constraints.logits_processors import History, LogitsProcessor
from components.decoding.host_copy import copy_to_host, first_true
from components.decoding.mixing.ensemble_scorer import EnsembleScorer
from components.decoding.moves import RowTransition, check_interval, drop_rows, make_move
from components.decoding.tokens.token_draws import choose_tokens, draw_uniform


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
    scorer.use_processors(logits_processors, steps)
    log_probs = scorer.prefill()
    n, device = log_probs.shape[0], log_probs.device
    draws = draw_uniform(config, keys, n, copies, steps)[: n * copies].to(device)
    rows, interval = _Rows(scorer, n, copies, steps, draws), check_interval(device)
    for t in range(steps):
        history = rows.history()
        log_probs = scorer.apply_processors(log_probs, history)
        scorer.observe(log_probs)
        tokens = rows.choose(log_probs, guidance.apply(log_probs, history), config)
        if t + 1 == steps:
            break
        if (t + 1) % interval == 0:
            positions = scorer.finite.read_flags(rows.is_open)
            if not positions:
                break
            tokens = rows.keep(positions, tokens)
        log_probs = rows.step(tokens)
    scorer.finite.require_finite()
    decoded = rows.read()
    candidates = [to_candidate(scorer, decoded, row, config, row % copies) for row in range(n * copies)]
    return [
        sorted(candidates[i : i + copies], key=lambda candidate: -candidate.normalized_score)
        for i in range(0, n * copies, copies)
    ]


class _Taken(NamedTuple):
    """What R rows have taken at a step: tokens with their log-probabilities (R,), and records (W, R)."""

    rows: Tensor
    tokens: Tensor
    log_probs: Tensor
    records: Tensor


class _Rows:
    """The rows of one search, ``copies`` of each of n utterances, and what they have taken.

    Attributes:
        is_open: whether each row is still searched.
    """

    def __init__(self, scorer: EnsembleScorer, n: int, copies: int, steps: int, draws: Tensor) -> None:
        device = draws.device
        self._scorer, self._n, self._copies, self._steps = scorer, n, copies, steps
        self._draws = draws
        self._goes_on = ~scorer.vocabulary.mark_eos(device)
        self._numbers = list(range(n * copies))  # of the rows that are left, for the host
        self._alive = torch.arange(n * copies, device=device)  # the same
        self._owners = torch.arange(n, device=device)  # whose rows the present distributions are
        self._source = self._alive // copies  # which of them each row reads
        self._row_indices = self._alive  # 0 to R - 1
        self._is_identity = copies == 1
        self.is_open = torch.ones(n * copies, dtype=torch.bool, device=device)
        self._taken: list[_Taken] = []
        self._move: RowTransition | None = None  # to the rows of the next step
        if check_interval(device) > 1:
            self._move = make_move(
                self._source, self._alive // copies, (n, copies), is_identity=self._is_identity
            )

    def history(self) -> History:
        """Return what the rows have generated so far."""
        return History(self._scorer.tokens.read, self._owners, self._steps, len(self._taken))

    def choose(self, log_probs: Tensor, scores: Tensor, config: SearchConfig) -> Tensor:
        """Choose each row's next token (R,) by ``scores``; its log-probability is that of ``log_probs``."""
        source, scorer = self._source, self._scorer
        draws = self._draws[:, len(self._taken)]
        tokens = choose_tokens(scores, None if self._is_identity else source, draws, config)
        token_log_probs = log_probs[source, tokens]
        scorer.finite.watch(token_log_probs, self.is_open)
        self._taken.append(_Taken(self._alive, tokens, token_log_probs, scorer.records_of(source, tokens)))
        self.is_open = self.is_open & self._goes_on[tokens]
        return tokens

    def keep(self, positions: list[int], tokens: Tensor) -> Tensor:
        """Drop all rows but those at ``positions``, which are open; returns the tokens that these took."""
        if len(positions) == len(self._numbers):
            return tokens
        remaining = first_true(self.is_open, len(positions))
        self._numbers = [self._numbers[position] for position in positions]
        self._alive, self._source = self._alive[remaining], self._source[remaining]
        self._draws, self.is_open = self._draws[remaining], self.is_open[remaining]
        if self._move is not None:
            counts = Counter(row // self._copies for row in self._numbers)
            self._move = drop_rows(self._move, self._source, remaining, len(counts), max(counts.values()))
        return tokens[remaining]

    def step(self, tokens: Tensor) -> Tensor:
        """Run the members for the rows, which take ``tokens`` (R,): log-probabilities (R, V) of the next."""
        source, device = self._source, self._source.device
        move = None if self._move is None else replace(self._move, is_open=self.is_open)
        log_probs = self._scorer.step(source, tokens, move)
        if len(self._taken) == 1 or len(source) != len(self._owners):
            self._owners = self._alive // self._copies
            self._row_indices = torch.arange(len(source), device=device)
        self._source, self._is_identity = self._row_indices, True
        if self._move is not None:
            self._move = replace(self._move, beam_indices=self._source, remaining=None, is_identity=True)
        return log_probs

    def read(self) -> DecodedRows:
        """Return what all rows have taken, on the host."""
        device, t = self._draws.device, 0
        decoded = allocate_rows(self._n * self._copies, self._steps, self._scorer.records.width, device)
        for _, group in groupby(self._taken, lambda step: id(step.rows)):
            rows, *columns = zip(*group, strict=True)
            tokens, log_probs = (torch.stack(column, dim=1) for column in columns[:2])
            records = torch.stack(columns[2], dim=1).permute(2, 1, 0)
            steps = slice(t, t := t + len(rows))
            decoded.tokens[rows[0], steps] = tokens
            decoded.log_probs[rows[0], steps] = log_probs
            decoded.records[rows[0], steps] = records
        ends = ~self._goes_on[decoded.tokens[:, :t]]
        decoded.finished |= ends.any(dim=1)
        decoded.lengths += torch.where(decoded.finished, ends.long().argmax(dim=1) + 1, t)
        return DecodedRows(*copy_to_host([getattr(decoded, field.name) for field in fields(decoded)]))


def allocate_rows(rows: int, steps: int, width: int, device: torch.device) -> DecodedRows:
    """Return room for ``steps`` tokens of each row, with ``width`` numbers of records each."""
    return DecodedRows(
        tokens=torch.zeros((rows, steps), dtype=torch.long, device=device),
        log_probs=torch.zeros((rows, steps), device=device),
        records=torch.zeros((rows, steps, width), device=device),
        lengths=torch.zeros(rows, dtype=torch.long, device=device),
        finished=torch.zeros(rows, dtype=torch.bool, device=device),
    )


def to_candidate(
    scorer: EnsembleScorer, decoded: DecodedRows, row: int, config: SearchConfig, copy: int = 0
) -> Candidate:
    """Return what a row has decoded; ``copy`` is the number of the sample, where it is one."""
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
