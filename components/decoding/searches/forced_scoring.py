"""Teacher forcing: given sequences are scored, many positions in one pass instead of one by one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.combiner import ALONE, Combiner
from components.decoding.constraints.logits_processors import History, LogitsProcessor, apply_processors
from components.decoding.mixing.ensemble_scorer import EnsembleScorer
from components.decoding.scorers import SequenceScorer, TokenScorer
from components.errors import ConfigError

MAX_SCORE_BYTES = 1 << 27
"""Bytes of scores of one pass, at most, unless one position alone takes more."""


class ForcedScorer:
    """A token scorer for known tokens: it scores a block of positions ahead and hands them out step by step.

    Rows may be left out on the way, but not repeated or reordered.
    """

    def __init__(self, scorer: SequenceScorer, tokens: Tensor) -> None:
        """Prepare ``scorer`` to be forced through ``tokens`` (N, T)."""
        self.name, self.vocabulary, self.limit = scorer.name, scorer.vocabulary, scorer.limit
        self._scorer, self._tokens = scorer, tokens
        self._position = self._next_position = 0

    def prefill(self) -> Tensor:
        """See :class:`.scorers.TokenScorer`."""
        scores = self._scorer.prefill()
        self._tokens = self._tokens.to(scores.device)
        self._rows = self._scored_rows = torch.arange(len(scores), device=scores.device)
        self._scores = scores[:, :0]
        return scores

    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """See :class:`.scorers.TokenScorer`; ``tokens`` must be the known ones."""
        self._rows = self._rows[beam_indices]
        if self._position == self._next_position:
            self._score_next_columns(len(tokens))
        self._position += 1
        columns_ahead = self._next_position - self._position  # columns scored beyond this one
        return self._scores[torch.searchsorted(self._scored_rows, self._rows), -1 - columns_ahead]

    def _score_next_columns(self, rows: int) -> None:
        """Score the next block of columns for the ``rows`` rows that are left."""
        width = max(1, MAX_SCORE_BYTES // (4 * rows * self.vocabulary.size))
        beam_indices = torch.searchsorted(self._scored_rows, self._rows)
        columns = self._tokens[self._rows, self._next_position : self._next_position + width]
        self._scores = self._scorer.score_tokens(beam_indices, columns)
        self._scored_rows, self._next_position = self._rows, self._next_position + columns.shape[1]


def as_forced_scorers(scorers: Sequence[TokenScorer], tokens: Tensor) -> list[TokenScorer]:
    """Wrap those scorers that can score ``tokens`` (N, T) in blocks; with T = 1 there is nothing to gain."""
    return [
        ForcedScorer(scorer, tokens) if isinstance(scorer, SequenceScorer) and tokens.shape[1] > 1 else scorer
        for scorer in scorers
    ]


@torch.inference_mode()
def force_decode(
    scorers: Sequence[TokenScorer],
    sequences: Sequence[Sequence[int]],
    *,
    logits_processors: Sequence[LogitsProcessor] = (),
    combiner: Combiner | None = None,
    max_new_tokens: int | None = None,
) -> list[Candidate]:
    """Score given sequences (teacher forcing), one for each utterance that the scorers were prepared for.

    Args:
        scorers: one model, or the members of an ensemble.
        sequences: generated tokens, never empty; with eos at the end where the ending is scored as well.
        logits_processors: constraints on the next token, applied as in :func:`.search.search`.
        combiner: mixes the scorers' distributions; needed where there are several.
        max_new_tokens: the length limit that the logits processors are told; default: the scorers' limit.

    Returns:
        One candidate per sequence.

    Raises:
        ConfigError: A sequence is empty or too long, or their number is not that of the utterances.
    """
    if any(len(sequence) == 0 for sequence in sequences):
        raise ConfigError("expected at least one token in every forced sequence, found an empty one: add eos")
    longest = max(map(len, sequences), default=0)
    tokens = torch.nn.utils.rnn.pad_sequence([torch.tensor(s) for s in sequences], batch_first=True)
    forced = as_forced_scorers(scorers, tokens[:, :-1])
    ensemble = EnsembleScorer(forced, combiner or ALONE, exact=True)
    log_probs = ensemble.prefill()
    if len(sequences) != log_probs.shape[0]:
        raise ConfigError(
            f"expected one sequence for each of {log_probs.shape[0]} utterances, found {len(sequences)}"
        )
    if longest > ensemble.limit:
        raise ConfigError(f"expected sequences of at most {ensemble.limit} tokens, found {longest}")
    lengths = torch.tensor([len(sequence) for sequence in sequences], device=log_probs.device)
    tokens = tokens.to(log_probs.device)
    token_log_probs = torch.zeros(tokens.shape, device=log_probs.device)
    records = torch.zeros((*tokens.shape, ensemble.records.width), device=log_probs.device)
    alive = torch.arange(len(sequences), device=log_probs.device)
    for t in range(longest):
        history = History(tokens[alive, :t], alive, max_new_tokens or ensemble.limit)
        log_probs = apply_processors(logits_processors, log_probs, history)
        rows = torch.arange(len(alive), device=log_probs.device)
        token_log_probs[alive, t] = log_probs[rows, tokens[alive, t]]
        records[alive, t] = ensemble.records_of(rows, tokens[alive, t]).T
        unfinished = (lengths[alive] > t + 1).nonzero()[:, 0]
        if len(unfinished) == 0:
            break
        log_probs = ensemble.step(unfinished, tokens[alive[unfinished], t])
        alive = alive[unfinished]
    return [
        _to_candidate(ensemble, sequence, token_log_probs[i, : len(sequence)], records[i, : len(sequence)])
        for i, sequence in enumerate(sequences)
    ]


def _to_candidate(
    ensemble: EnsembleScorer, sequence: Sequence[int], token_log_probs: Tensor, records: Tensor
) -> Candidate:
    n, finished = len(sequence), sequence[-1] in ensemble.vocabulary.eos
    score = float(token_log_probs.sum())
    member_log_probs, member_weights = ensemble.records.member_scores(records)
    return Candidate(
        tokens=tuple(sequence[: n - finished]),
        score=score,
        log_probs=tuple(token_log_probs.tolist()),
        member_log_probs=member_log_probs,
        member_weights=member_weights,
        eos_token=sequence[-1] if finished else None,
        normalized_score=score / n,
    )
