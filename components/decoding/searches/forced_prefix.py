"""Searches that go on behind a forced prefix: tokens that every text of an utterance begins with.

The models read the prefix in one pass; processors see it as if it had been searched, and its tokens have
log-probability 0, as those that transformers forces. Behind the beginning of a greedy search's own text the
search gives that text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from components.decoding.candidates import Candidate, MemberScores
from components.decoding.constraints.guidance import Guidance
from components.decoding.constraints.logits_processors import History, LogitsProcessor
from components.decoding.scorers import MultiTokenScorer, TokenScorer


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
class Behind:
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


def put_behind(guidance: Guidance, processors: Sequence[LogitsProcessor]) -> list[LogitsProcessor]:
    """Return processors that see the prefix of ``guidance``."""
    prefix = torch.tensor(guidance.prefix)
    return [Behind(process, prefix) for process in processors]


def restore_prefix(candidate: Candidate, prefix: Sequence[int]) -> Candidate:
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
