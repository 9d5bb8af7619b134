"""Beam search of models with different tokenizers, which agree on text instead of tokens.

Agreement-based ensembling (Wicks et al. 2025, "Token-level Ensembling of Models with Different
Vocabularies", arXiv:2502.21265). A hypothesis is one text, written by every member in its own pieces; one
member's text may be ahead, but each is a prefix of the longest. Where all are equal all members take a token,
else those that are behind do, and only tokens that keep to this rule are considered. The score is the
weighted sum of the members' log-probabilities: a product of experts over texts, which is not normalized.

Members of one vocabulary form a *group*, which is mixed token by token. With one group this is beam search as
in :mod:`.beam_search`, step by step; the end of the text is a symbol like any other (:mod:`.text_pieces`).

The best continuations of a hypothesis are found exactly: :mod:`.text_agreement`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.decoding.config import SearchConfig
from components.decoding.text_synchronous.ragged_group import RaggedGroup
from components.decoding.text_synchronous.text_agreement import AgreedPieces, Continuation, TextPosition
from components.decoding.text_synchronous.text_pieces import END

_MAX_CONTINUATIONS = 8
"""Continuations per hypothesis of the beam, at most, as in :mod:`.beam_search`."""


@dataclass(frozen=True)
class Segment:
    """A part of the text between two places where all groups agree.

    Attributes:
        text: its symbols.
        log_prob: what it adds to the score.
        group_log_probs: what each group gave it.
    """

    text: str
    log_prob: float
    group_log_probs: tuple[float, ...]


@dataclass(frozen=True)
class TextHypothesis:
    """A text, as far as it is written.

    Attributes:
        text: the longest of the groups' texts, in symbols.
        positions: length of each group's text.
        stages: of each group's next token.
        tokens: what each group has written.
        sums: log-probability of each group's tokens.
        score: weighted sum of ``sums``.
        segments: up to the last place where the groups agree.
        row: in the groups' caches.
        utterance: index of the utterance.
    """

    text: str
    positions: tuple[int, ...]
    stages: tuple[int, ...]
    tokens: tuple[tuple[int, ...], ...]
    sums: tuple[float, ...]
    score: float
    segments: tuple[Segment, ...]
    row: int
    utterance: int

    @property
    def agreed(self) -> bool:
        """Whether every group has written the whole text."""
        return all(position == len(self.text) for position in self.positions)

    @property
    def finished(self) -> bool:
        """Whether every group has ended the text."""
        return self.agreed and self.text.endswith(END)

    def rank(self, weights: Sequence[float], penalty: float) -> float:
        """Return the score with every group's part divided by (its own number of tokens) ** ``penalty``."""
        parts = (s / max(len(t), 1) ** penalty for s, t in zip(self.sums, self.tokens, strict=True))
        return float(sum(weight * part for weight, part in zip(weights, parts, strict=True)))


def text_search(
    groups: Sequence[RaggedGroup], pieces: AgreedPieces, config: SearchConfig
) -> list[list[TextHypothesis]]:
    """Search the texts that are likeliest for all groups together.

    Args:
        groups: prepared for the same utterances.
        pieces: the texts of their tokens.
        config: beam size, n-best, length limit (of every group's tokens), length penalty and early stopping.

    Returns:
        Per utterance at most ``config.n_best`` hypotheses, best first, at least one.
    """
    n_utterances = [group.prefill() for group in groups]
    searches = [_UtteranceSearch(index, groups, pieces, config) for index in range(n_utterances[0])]
    while is_open := [search for search in searches if search.open]:
        for search in is_open:
            search.step()
        hypotheses = [hypothesis for search in searches for hypothesis in search.open]
        if hypotheses:
            for number, group in enumerate(groups):
                group.advance(
                    [hypothesis.row for hypothesis in hypotheses],
                    [hypothesis.tokens[number] for hypothesis in hypotheses],
                )
        row = iter(range(len(hypotheses)))
        for search in searches:
            search.open = [replace(hypothesis, row=next(row)) for hypothesis in search.open]
    return [search.nbest() for search in searches]


class _UtteranceSearch:
    """The beam of one utterance."""

    def __init__(
        self, index: int, groups: Sequence[RaggedGroup], pieces: AgreedPieces, config: SearchConfig
    ) -> None:
        self._groups, self._pieces, self._config = groups, pieces, config
        self._weights = [group.weight for group in groups]
        # With one group the ends of a text are told apart, as in the search by tokens; else they are one.
        n_eos = len(groups[0].vocabulary.eos) if len(groups) == 1 else 1
        self._n_continuations = min(max(2, 1 + n_eos), _MAX_CONTINUATIONS) * config.beam_size
        zeros = (0,) * len(groups)
        start = TextHypothesis(
            "", zeros, zeros, ((),) * len(groups), (0.0,) * len(groups), 0.0, (), index, index
        )
        self.open, self._finished, self._last = [start], list[tuple[float, TextHypothesis]](), start

    def step(self) -> None:
        """Continue every open hypothesis, and keep the best."""
        k = self._config.beam_size
        pairs = [
            (np.float32(hypothesis.score) + np.float32(continuation.gain), hypothesis, continuation)
            for hypothesis in self.open
            for continuation in self._continue(hypothesis)
        ]
        pairs.sort(key=lambda pair: -pair[0])
        continued = [self._extend(*pair) for pair in pairs[: self._n_continuations]]
        ends = [hypothesis.finished or self._is_cut(hypothesis) for hypothesis in continued]
        for hypothesis, has_ended in list(zip(continued, ends, strict=True))[:k]:
            if has_ended:
                self._finished.append((self._rank(hypothesis), hypothesis))
        self._finished.sort(key=lambda pair: -pair[0])
        if len(self._groups) > 1:  # a text that is written in several ways is one hypothesis
            by_text = {(h.text, h.finished): (rank, h) for rank, h in reversed(self._finished)}
            self._finished = sorted(by_text.values(), key=lambda pair: -pair[0])
        self._finished = self._finished[:k]
        best = [h for h, has_ended in zip(continued, ends, strict=True) if not has_ended][:k]
        self._last = self.open[0]
        self.open = best if best and self._can_improve(best) else []

    def nbest(self) -> list[TextHypothesis]:
        """Return the finished hypotheses, best first; where no group ended the best unfinished one."""
        return [hypothesis for _, hypothesis in self._finished[: self._config.n_best]] or [self._last]

    def _continue(self, hypothesis: TextHypothesis) -> list[Continuation]:
        rows = [group.log_probs[hypothesis.row] for group in self._groups]
        position = TextPosition(hypothesis.text, hypothesis.positions, hypothesis.stages)
        return self._pieces.best_continuations(position, rows, self._weights, self._n_continuations)

    def _extend(
        self, score: np.float32, hypothesis: TextHypothesis, continuation: Continuation
    ) -> TextHypothesis:
        positions, stages = list(hypothesis.positions), list(hypothesis.stages)
        tokens, sums = list(hypothesis.tokens), list[float]()
        for g, token in enumerate(continuation.tokens):
            if token is not None:
                pieces = self._pieces.groups[g]
                positions[g] += len(pieces.text(token, stages[g]))
                stages[g] = pieces.next_stage(token, stages[g])
                tokens[g] = (*tokens[g], token)
            sums.append(float(np.float32(hypothesis.sums[g]) + np.float32(continuation.values[g])))
        result = replace(
            hypothesis,
            text=continuation.text,
            positions=tuple(positions),
            stages=tuple(stages),
            tokens=tuple(tokens),
            sums=tuple(sums),
            score=float(score),
        )
        return close_segment(result, self._weights) if result.agreed else result

    def _is_cut(self, hypothesis: TextHypothesis) -> bool:
        """Return whether a group that has not ended its text may take no more tokens."""
        ended = len(hypothesis.text) if hypothesis.text.endswith(END) else None
        return any(
            position != ended and len(tokens) >= min(self._config.max_new_tokens, group.limit)
            for position, tokens, group in zip(
                hypothesis.positions, hypothesis.tokens, self._groups, strict=True
            )
        )

    def _rank(self, hypothesis: TextHypothesis) -> float:
        return hypothesis.rank(self._weights, self._config.length_penalty)

    def _can_improve(self, best: Sequence[TextHypothesis]) -> bool:
        """Return whether an open hypothesis can still beat the worst of a full set of finished ones."""
        config = self._config
        if len(self._finished) < config.beam_size:
            return True
        if config.early_stopping is True or config.beam_size == 1:
            return False
        if config.early_stopping == "never" and config.length_penalty > 0:
            limits = [min(config.max_new_tokens, group.limit) for group in self._groups]
            highest = max(
                sum(
                    w * s / n**config.length_penalty
                    for w, s, n in zip(self._weights, hypothesis.sums, limits, strict=True)
                )
                for hypothesis in best
            )
        else:
            highest = max(map(self._rank, best))
        return bool(highest > self._finished[-1][0])


def close_segment(hypothesis: TextHypothesis, weights: Sequence[float]) -> TextHypothesis:
    """Return the hypothesis with a segment for what was written after its last one."""
    start = sum(len(segment.text) for segment in hypothesis.segments)
    before = [sum(s.group_log_probs[g] for s in hypothesis.segments) for g in range(len(weights))]
    values = tuple(total - past for total, past in zip(hypothesis.sums, before, strict=True))
    log_prob = sum(weight * value for weight, value in zip(weights, values, strict=True))
    segment = Segment(hypothesis.text[start:], log_prob, values)
    return replace(hypothesis, segments=(*hypothesis.segments, segment))
