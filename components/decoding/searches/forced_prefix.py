"""Searches that go on behind a forced prefix: tokens that every text of an utterance begins with.

The models read the prefix in one pass; processors see it as if it had been searched, and its tokens have
log-probability 0, as those that transformers forces. Behind the beginning of a greedy search's own text the
search gives that text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from components.decoding.candidates import Candidate, MemberScores
from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import Guidance
from components.decoding.constraints.logits_processors import History, LogitsProcessor
from components.decoding.constraints.token_constraints import suppress_at
from components.decoding.scorers import MultiTokenScorer, TokenScorer
from components.errors import ConfigError


@dataclass(frozen=True)
class BegunText:
    """What a text begins with: a :class:`.guidance.Beginning`.

    Attributes:
        tokens: its tokens, 1 or more.
        inner: tokens that go on with a word, which do not follow what is written; none where words have no
            spaces between them.
    """

    tokens: tuple[int, ...]
    inner: Sequence[int] = field(default=(), compare=False)

    def __len__(self) -> int:
        return len(self.tokens)

    def guide(self, beginnings: Sequence[BegunText], biases: Sequence[LogitsProcessor] = ()) -> Guidance:
        """See :class:`.guidance.Beginning`."""
        whole = [suppress_at(len(self), self.inner)] if all(each.inner for each in beginnings) else []
        return Guidance((*biases, *whole), prefix=[each.tokens for each in beginnings])


def search_behind(
    search: Callable[..., list[list[Candidate]]],
    scorers: Sequence[TokenScorer],
    config: SearchConfig,
    guidance: Guidance,
    logits_processors: Sequence[LogitsProcessor],
    **options: Any,
) -> list[list[Candidate]]:
    """Search behind the forced prefix of ``guidance``, without a draft model; see :func:`.search.search`.

    Raises:
        ConfigError: there are required phrases, too, or the prefix is as long as the texts may be.
    """
    prefixes = guidance.prefix
    most = min(config.max_new_tokens, *(scorer.limit for scorer in scorers))
    prefix, room = torch.tensor(prefixes), most - len(prefixes[0])
    if guidance.constraints is not None or room < 1:
        fault = "required phrases" if guidance.constraints is not None else f"{len(prefixes[0])} tokens"
        raise ConfigError(f"expected a forced prefix of fewer than {most} tokens, alone, found {fault}")

    def put_behind(processors: Sequence[LogitsProcessor]) -> list[LogitsProcessor]:
        return [_Behind(process, prefix) for process in processors]

    nbests = search(
        [PrefixedScorer(scorer, prefix) for scorer in scorers],
        replace(config, max_new_tokens=room),
        logits_processors=put_behind(logits_processors),
        guidance=Guidance(put_behind(guidance.biases)),
        **options,
    )
    return [
        [_restore_prefix(candidate, own) for candidate in nbest]
        for nbest, own in zip(nbests, prefixes, strict=True)
    ]


class PrefixedScorer:
    """A token scorer whose first token follows a prefix.

    Args:
        scorer: the model.
        prefix: of each utterance, (N, P).
    """

    def __init__(self, scorer: TokenScorer, prefix: Tensor) -> None:
        self.name, self.vocabulary = scorer.name, scorer.vocabulary
        self.limit = scorer.limit - prefix.shape[1]
        self._scorer, self._prefix = scorer, prefix

    def prefill(self) -> Tensor:
        """See :class:`.scorers.TokenScorer`."""
        scores = self._scorer.prefill()
        rows, tokens = torch.arange(len(scores), device=scores.device), self._prefix.to(scores.device)
        if isinstance(self._scorer, MultiTokenScorer):
            return self._scorer.step_many(rows, tokens)
        for column in tokens.T:
            scores = self._scorer.step(rows, column)
        return scores

    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """See :class:`.scorers.TokenScorer`."""
        return self._scorer.step(beam_indices, tokens)


@dataclass(frozen=True, eq=False)
class _Behind:
    """A logits processor that sees the prefix before what was searched.

    Attributes:
        process: the processor.
        prefix: of each utterance, (N, P).
    """

    process: LogitsProcessor
    prefix: Tensor

    def __call__(self, log_probs: Tensor, history: History) -> Tensor:
        """See :data:`LogitsProcessor`."""
        size = self.prefix.shape[1]
        owners = history.utterances

        def read() -> Tensor:
            return torch.cat([self.prefix.to(owners.device)[owners], history.tokens], dim=1)

        longer = History(read, owners, history.max_new_tokens + size, history.step + size)
        return self.process(log_probs, longer)


def _restore_prefix(candidate: Candidate, prefix: Sequence[int]) -> Candidate:
    """Return a candidate with its prefix, whose tokens have log-probability 0."""
    nothing = (0.0,) * len(prefix)
    unknown = (None,) * len(prefix)

    def extend(scores: MemberScores) -> MemberScores:
        return tuple((*unknown, *column) for column in scores)

    return replace(
        candidate,
        tokens=(*prefix, *candidate.tokens),
        log_probs=(*nothing, *candidate.log_probs),
        member_log_probs=extend(candidate.member_log_probs),
        member_weights=extend(candidate.member_weights),
        entropies=(*nothing, *candidate.entropies) if candidate.entropies else (),
        margins=(*nothing, *candidate.margins) if candidate.margins else (),
    )
