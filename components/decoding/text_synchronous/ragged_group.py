"""Models of one vocabulary whose hypotheses may differ in their number of tokens, as one distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.decoding.combiner import Combiner
from components.decoding.constraints.logits_processors import History, LogitsProcessor
from components.decoding.constraints.ragged_rows import apply_to_ragged
from components.decoding.scorers import PrefixScorer, RetractableScorer, TokenScorer, require_same_vocabulary
from components.errors import ConfigError, ModelError


@dataclass(frozen=True)
class GroupSettings:
    """What a group is, beside its models.

    Attributes:
        weight: of the group, above 0.
        combiner: mixes its members.
        logits_processors: constraints on its next token.
    """

    weight: float
    combiner: Combiner
    logits_processors: Sequence[LogitsProcessor] = ()


class RaggedGroup:
    """The members of one vocabulary.

    Attributes:
        log_probs: after :meth:`prefill`, of the next token of every row (R, V).
        limit: tokens that every member has positions for.
    """

    def __init__(self, scorers: Sequence[TokenScorer], settings: GroupSettings, max_new_tokens: int) -> None:
        """Prepare the members' ``scorers``.

        Raises:
            ConfigError: They differ in vocabulary, or one cannot keep rows of different lengths.
        """
        require_same_vocabulary([(scorer.name, scorer.vocabulary) for scorer in scorers])
        self.vocabulary = scorers[0].vocabulary
        self.weight, self._combiner = settings.weight, settings.combiner
        self.names = [scorers[index].name for index in settings.combiner.active_members(len(scorers))]
        self.limit = min(scorer.limit for scorer in scorers)
        self._steps = min(max_new_tokens, self.limit)
        self._processors = settings.logits_processors
        self._members = [_open(scorers[m]) for m in settings.combiner.active_members(len(scorers))]
        self.log_probs: NDArray[np.float32] = np.zeros((0, 0), np.float32)

    def prefill(self) -> int:
        """Run what comes before the first token; returns the number of utterances."""
        scores = [member.prefill() for member in self._members]
        n = len(scores[0])
        self._utterances, self._lengths = torch.arange(n), torch.zeros(n, dtype=torch.long)
        self._parents = torch.arange(n)
        self.log_probs = self._mix(scores, torch.zeros((n, 0), dtype=torch.long), self._utterances)
        return n

    def advance(self, parents: Sequence[int], tokens: Sequence[tuple[int, ...]]) -> None:
        """Continue rows.

        Args:
            parents: row r continues row ``parents[r]``; rows of an utterance are adjacent, in order.
            tokens: all that each row has written: what its parent has, and at most one token more.
        """
        index = torch.tensor(parents)
        lengths = torch.tensor([len(written) for written in tokens])
        moves = lengths > self._lengths[index]
        self._utterances, self._lengths = self._utterances[index], lengths
        self._parents = self._parents[index]
        self.log_probs = self.log_probs[np.asarray(parents)]
        rows = moves.nonzero()[:, 0]
        if len(rows) == 0:
            return
        written = torch.zeros((len(tokens), int(lengths.max())), dtype=torch.long)
        for row, row_tokens in enumerate(tokens):
            written[row, : len(row_tokens)] = torch.tensor(row_tokens)
        scores = [
            member.advance(self._parents, self._utterances, written, lengths, moves)[rows]
            for member in self._members
        ]
        self._parents = torch.arange(len(tokens))
        self.log_probs[rows.numpy()] = self._mix(scores, written[rows], rows)

    def _mix(self, scores: Sequence[Tensor], written: Tensor, rows: Tensor) -> NDArray[np.float32]:
        log_probs = self._combiner(scores, self._combiner.constant_weights()).log_probs
        history = History(
            written.to(log_probs.device), self._utterances[rows].to(log_probs.device), self._steps
        )
        lengths = self._lengths[rows].to(log_probs.device)
        log_probs = apply_to_ragged(self._processors, log_probs, history, lengths)
        if bool(log_probs.isnan().any()):
            raise ModelError(
                f"expected finite log-probabilities, found NaN from {', '.join(self.names)}: check the "
                "weights, or use float32"
            )
        values: NDArray[np.float32] = log_probs.float().cpu().numpy()
        return values


class _Retracting:
    """Rows that do not move take a token that they forget at once."""

    def __init__(self, scorer: RetractableScorer) -> None:
        self._scorer = scorer

    def prefill(self) -> Tensor:
        scores = self._scorer.prefill()
        self._device = scores.device
        return scores

    def advance(
        self, parents: Tensor, utterances: Tensor, written: Tensor, lengths: Tensor, moves: Tensor
    ) -> Tensor:
        last = written[torch.arange(len(written)), (lengths - 1).clamp(min=0)]
        scores = self._scorer.step(parents.to(self._device), last.to(self._device))
        if not bool(moves.all()):
            self._scorer.retract((~moves).long().to(self._device))
        return scores


class _Rescoring:
    """Every row is read from its beginning, those of one length together."""

    def __init__(self, scorer: PrefixScorer) -> None:
        self._scorer = scorer

    def prefill(self) -> Tensor:
        return self._scorer.prefill()

    def advance(
        self, parents: Tensor, utterances: Tensor, written: Tensor, lengths: Tensor, moves: Tensor
    ) -> Tensor:
        scores = torch.zeros((len(written), self._scorer.vocabulary.size))
        for length in sorted(set(lengths[moves].tolist())):
            rows = (moves & (lengths == length)).nonzero()[:, 0]
            scores[rows] = self._scorer.score_prefixes(utterances[rows], written[rows, :length]).cpu()
        return scores


def _open(scorer: TokenScorer) -> _Retracting | _Rescoring:
    if isinstance(scorer, RetractableScorer) and scorer.is_ragged:
        return _Retracting(scorer)
    if isinstance(scorer, PrefixScorer):
        return _Rescoring(scorer)
    raise ConfigError(
        f"combine.vocabulary text: expected a model whose layers attend to all that was written, found "
        f"{scorer.name}, which attends over a window: combine the finished texts instead "
        "(combine.method: output_level)"
    )
