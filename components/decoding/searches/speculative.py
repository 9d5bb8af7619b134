"""Greedy search in which a small model proposes tokens and the large one checks several in one call.

Leviathan et al. 2023 (arXiv:2211.17192) and Chen et al. 2023 (arXiv:2302.01318), for greedy search: a
proposed token is taken where it is the one that the large model, or the ensemble, would have taken after the
same logits processors. So the output is that of greedy search, whatever the small model proposes; only the
last bits of log-probabilities may differ, because several positions are computed in one product.

Letters in shapes: R rows that have not ended, k proposed tokens, V tokens of the vocabulary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.constraints.logits_processors import History, LogitsProcessor
from components.decoding.constraints.ragged_rows import apply_to_ragged
from components.decoding.host_copy import copy_to_host
from components.decoding.mixing.ensemble_scorer import EnsembleScorer
from components.decoding.scorers import RetractableScorer, TokenScorer, Vocabulary, as_retractable
from components.decoding.searches.sampling import DecodedRows, allocate_rows, to_candidate
from components.errors import ConfigError


@dataclass(frozen=True)
class Draft:
    """The model that proposes.

    Attributes:
        scorer: prepared for the same utterances, of the same vocabulary.
        n_tokens: how many tokens it proposes for each call of the large model.
    """

    scorer: TokenScorer
    n_tokens: int

    @property
    def limit(self) -> int:
        """Tokens of a text that it has positions for."""
        return self.scorer.limit

    def search(
        self,
        target: EnsembleScorer,
        config: SearchConfig,
        logits_processors: Sequence[LogitsProcessor],
        calls: Counter[int] | None = None,
    ) -> list[list[Candidate]]:
        """See :func:`speculative_search`."""
        return speculative_search(target, self, config, logits_processors, calls)


def require_draft_vocabulary(name: str, vocabulary: Vocabulary, draft: str, found: Vocabulary) -> None:
    """Refuse a draft model whose tokens are not those of the model ``name``.

    Raises:
        ConfigError: It names both.
    """
    if found != vocabulary:
        raise ConfigError(
            f"draft: expected the vocabulary of {name} ({vocabulary.size} tokens, digest "
            f"{vocabulary.digest[:12]}, eos {vocabulary.eos}), found {draft} ({found.size}, "
            f"{found.digest[:12]}, {found.eos}): choose a model of the same tokenizer, such as its student"
        )


def speculative_search(
    target: EnsembleScorer,
    draft: Draft,
    config: SearchConfig,
    logits_processors: Sequence[LogitsProcessor],
    calls: Counter[int] | None = None,
) -> list[list[Candidate]]:
    """Return greedy search of ``target`` with the help of ``draft``; see :func:`.search.search`.

    Rows go on independently where all models are ragged (:class:`.scorers.RetractableScorer`), else together,
    as far as the row that accepts the fewest tokens.

    Args:
        target: one model or an ensemble with constant weights.
        draft: the model that proposes.
        config: a greedy search.
        logits_processors: constraints on the next token, for both.
        calls: counts the calls of the draft model under -1.

    Returns:
        Per utterance one candidate.

    Raises:
        ConfigError: The search is not greedy, weights change by token, or a model cannot forget tokens.
    """
    if config.beam_size != 1 or config.temperature > 0:
        raise ConfigError(
            f"draft: expected greedy search (beam_size 1), found beam_size {config.beam_size} and "
            f"temperature {config.temperature}: set beam_size to 1, or leave draft out"
        )
    if target.has_gate:
        raise ConfigError("draft: expected constant weights of the members, found a gate: leave draft out")
    require_draft_vocabulary(target.names[0], target.vocabulary, draft.scorer.name, draft.scorer.vocabulary)
    steps = min(config.max_new_tokens, target.limit)
    rows = _take_first_tokens(target, logits_processors, steps)
    proposer = _Proposer(as_retractable(draft.scorer), draft.n_tokens, logits_processors, calls)
    is_uniform = not (target.is_ragged and proposer.scorer.is_ragged)
    alive = previous = torch.arange(len(rows.tokens), device=rows.tokens.device)
    while len(alive := alive[~_is_done(rows, alive, steps)]):
        source = torch.searchsorted(previous, alive)
        lengths = rows.lengths[alive].clone()
        block = proposer.propose(rows, source, alive, steps)
        log_probs = target.score_tokens(source, block)
        _verify(target, rows, alive, block, log_probs, logits_processors, steps)
        accepted = rows.lengths[alive] - lengths - 1
        if is_uniform:
            accepted = _keep_fewest(rows, alive, accepted, steps)
        target.retract(block.shape[1] - 1 - accepted)
        proposer.settle(accepted)
        previous = alive
    target.finite.require_finite()
    rows = DecodedRows(*copy_to_host([getattr(rows, field.name) for field in fields(rows)]))
    return [[to_candidate(target, rows, row, config)] for row in range(len(rows.tokens))]


def _is_done(rows: DecodedRows, indices: Tensor, steps: int) -> Tensor:
    return rows.finished[indices] | (rows.lengths[indices] >= steps)


def _take_first_tokens(
    target: EnsembleScorer, processors: Sequence[LogitsProcessor], steps: int
) -> DecodedRows:
    log_probs = target.prefill()
    rows = allocate_rows(len(log_probs), steps, target.records.width, log_probs.device)
    everyone = torch.arange(len(log_probs), device=log_probs.device)
    history = History(rows.tokens, everyone, steps)
    log_probs = apply_to_ragged(processors, log_probs, history, rows.lengths)
    _append(target, rows, everyone, everyone, log_probs)
    _record(target, rows, log_probs, [(everyone, everyone)])
    return rows


def _verify(
    target: EnsembleScorer,
    rows: DecodedRows,
    alive: Tensor,
    block: Tensor,
    log_probs: Tensor,
    processors: Sequence[LogitsProcessor],
    steps: int,
) -> None:
    """Append to ``rows`` the tokens that greedy search takes, up to the first that was not proposed.

    ``block`` (R, 1 + k) holds the last known token of the rows ``alive`` (R,) and the proposed ones,
    ``log_probs`` (R * (1 + k), V) the target's distributions after each of them.
    """
    width, taken = block.shape[1], []
    matching = torch.arange(len(alive), device=alive.device)
    for i in range(width):
        flat, indices = matching * width + i, alive[matching]
        history = History(rows.tokens[indices], indices, steps)
        log_probs[flat] = apply_to_ragged(processors, log_probs[flat], history, rows.lengths[indices])
        tokens = _append(target, rows, indices, flat, log_probs)
        taken.append((flat, indices))
        if i + 1 < width:
            goes_on = (tokens == block[matching, i + 1]) & ~_is_done(rows, indices, steps)
            matching = matching[goes_on]
        if len(matching) == 0:
            break
    _record(target, rows, log_probs, taken)


def _append(
    target: EnsembleScorer, rows: DecodedRows, indices: Tensor, flat: Tensor, log_probs: Tensor
) -> Tensor:
    """Append the likeliest token of ``log_probs[flat]`` to the rows ``indices``; returns these tokens."""
    tokens = log_probs[flat].argmax(dim=-1)
    values = log_probs[flat, tokens]
    at = rows.lengths[indices]
    rows.tokens[indices, at], rows.log_probs[indices, at] = tokens, values
    rows.lengths[indices] = at + 1
    rows.finished[indices] = torch.isin(tokens, torch.tensor(target.vocabulary.eos, device=tokens.device))
    target.finite.watch(values)
    return tokens


def _record(
    target: EnsembleScorer, rows: DecodedRows, log_probs: Tensor, taken: Sequence[tuple[Tensor, Tensor]]
) -> None:
    """Keep the members' scores of the tokens that were just appended, position after position."""
    target.observe(log_probs)
    first = rows.lengths.clone()
    for _, indices in taken:
        first[indices] -= 1
    for flat, indices in taken:
        at = first[indices]
        rows.records[indices, at] = target.records_of(flat, rows.tokens[indices, at]).T
        first[indices] += 1


def _keep_fewest(rows: DecodedRows, alive: Tensor, accepted: Tensor, steps: int) -> Tensor:
    """Cut the rows that go on to as many new tokens as the one with the fewest has; returns that number."""
    goes_on = ~_is_done(rows, alive, steps)
    fewest = accepted[goes_on].min() if bool(goes_on.any()) else accepted.min()
    rows.lengths[alive[goes_on]] -= accepted[goes_on] - fewest
    return fewest.expand(len(alive))


class _Proposer:
    """Proposes tokens by the draft model, whose cache follows the rows.

    Its cache lacks one or two of a row's known tokens: the last proposed one was never read by it.
    """

    def __init__(
        self,
        scorer: RetractableScorer,
        n_tokens: int,
        processors: Sequence[LogitsProcessor],
        calls: Counter[int] | None,
    ) -> None:
        self.scorer = scorer
        self._n, self._processors, self._calls = n_tokens, processors, calls
        scorer.prefill()
        self._lacking, self._k = 1, 0

    def propose(self, rows: DecodedRows, source: Tensor, alive: Tensor, steps: int) -> Tensor:
        """Return the last known token of every row, and the proposed ones behind it: (R, 1 + k)."""
        lengths = rows.lengths[alive]
        self._k = min(self._n, steps - 1 - int(lengths.max()))
        last = rows.tokens[alive, lengths - 1]
        behind = torch.arange(self._lacking, device=alive.device) - self._lacking
        unread = rows.tokens[alive[:, None], lengths[:, None] + behind]
        scores = self.scorer.step_many(source, unread)
        tokens, proposed = rows.tokens[alive].clone(), [last]
        everyone = torch.arange(len(alive), device=alive.device)
        for i in range(self._k):
            history = History(tokens, alive, steps)
            scores = apply_to_ragged(self._processors, scores.clone(), history, lengths + i)
            proposed.append(scores.argmax(dim=-1))
            tokens[everyone, lengths + i] = proposed[-1]
            if i + 1 < self._k:
                scores = self.scorer.step(everyone, proposed[-1])
        if self._calls is not None:
            self._calls[-1] += max(self._k, 1)
        return torch.stack(proposed, dim=1)

    def settle(self, accepted: Tensor) -> None:
        """Forget the proposed tokens that were not accepted: ``accepted`` (R,) of them were."""
        read = max(self._k - 1, 0)  # proposed tokens in its cache
        self._lacking = int((1 + accepted - accepted.clamp(max=read)).max())
        self.scorer.retract(self._lacking + read - 1 - accepted)
