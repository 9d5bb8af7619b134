"""Beam search of models with different tokenizers, which agree on text instead of tokens.

Agreement-based ensembling (Wicks et al. 2025, "Token-level Ensembling of Models with Different
Vocabularies", arXiv:2502.21265). A hypothesis is one text, written by every member in its own pieces; one
member's text may be ahead, but each is a prefix of the longest. Where all are equal all members take a token,
else those that are behind do, and only tokens that keep to this rule are considered. The score is the
weighted sum of the members' log-probabilities: a product of experts over texts, which is not normalized.

Members of one vocabulary form a *group*, which is mixed token by token. With one group this is beam search as
in :mod:`.beam_search`, step by step; the end of the text is a symbol like any other (:mod:`.text_pieces`).

A step finds the best continuations of a hypothesis exactly: the longest text of a continuation is that of one
member's token, which are tried from the likeliest on, until not even the best tokens of all others could make
one of them better than what is already there.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from components.decoding.config import SearchConfig
from components.decoding.ragged_group import RaggedGroup
from components.decoding.text_pieces import END, TextPieces

_MAX_CONTINUATIONS = 8
"""Continuations per hypothesis of the beam, at most, as in :mod:`.beam_search`."""
_FIRST_BLOCK = 64
"""Tokens of a member that are sorted at first; the block doubles where they do not decide."""

Rows = Sequence[NDArray[np.float32]]
"""Per group the log-probabilities (V,) of a hypothesis's next token."""


@dataclass(frozen=True)
class Segment:
    """A part of the text between two places where all groups agree.

    Attributes:
        text: Its symbols.
        log_prob: What it adds to the score.
        group_log_probs: What each group gave it.
    """

    text: str
    log_prob: float
    group_log_probs: tuple[float, ...]


@dataclass(frozen=True)
class TextHypothesis:
    """A text, as far as it is written.

    Attributes:
        text: The longest of the groups' texts, in symbols.
        positions: Length of each group's text.
        tokens: What each group has written.
        sums: Log-probability of each group's tokens.
        score: Weighted sum of ``sums``.
        segments: Up to the last place where the groups agree.
        row: In the groups' caches.
        utterance: Index of the utterance.
    """

    text: str
    positions: tuple[int, ...]
    tokens: tuple[tuple[int, ...], ...]
    sums: tuple[float, ...]
    score: float
    segments: tuple[Segment, ...]
    row: int
    utterance: int

    @property
    def finished(self) -> bool:
        """Whether every group has ended the text."""
        return self.text.endswith(END) and all(p == len(self.text) for p in self.positions)

    def rank(self, weights: Sequence[float], penalty: float) -> float:
        """The score with every group's part divided by (its own number of tokens) ** ``penalty``."""
        parts = (s / max(len(t), 1) ** penalty for s, t in zip(self.sums, self.tokens, strict=True))
        return sum(weight * part for weight, part in zip(weights, parts, strict=True))


@dataclass(frozen=True)
class _Continuation:
    """One token, or none, for every group: what they add to the score, the longest text, and the values."""

    gain: float
    text: str
    tokens: tuple[int | None, ...]
    values: tuple[float, ...]


def text_search(groups: Sequence[RaggedGroup], config: SearchConfig) -> list[list[TextHypothesis]]:
    """Search the texts that are likeliest for all groups together.

    Args:
        groups: Prepared for the same utterances.
        config: Beam size, n-best, length limit (of every group's tokens), length penalty and early stopping.

    Returns:
        Per utterance at most ``config.n_best`` hypotheses, best first, at least one.
    """
    n_utterances = [group.prefill() for group in groups]
    searches = [_UtteranceSearch(index, groups, config) for index in range(n_utterances[0])]
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

    def __init__(self, index: int, groups: Sequence[RaggedGroup], config: SearchConfig) -> None:
        self._groups, self._config = groups, config
        self._weights = [group.weight for group in groups]
        n_eos = max(len(group.vocabulary.eos) for group in groups)
        self._n_continuations = min(max(2, 1 + n_eos), _MAX_CONTINUATIONS) * config.beam_size
        zeros = (0,) * len(groups)
        start = TextHypothesis("", zeros, ((),) * len(groups), (0.0,) * len(groups), 0.0, (), index, index)
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
        self._finished = sorted(self._finished, key=lambda pair: -pair[0])[:k]
        best = [h for h, has_ended in zip(continued, ends, strict=True) if not has_ended][:k]
        self._last = self.open[0]
        self.open = best if best and self._can_improve(best) else []

    def nbest(self) -> list[TextHypothesis]:
        """The finished hypotheses, best first; the best unfinished one where the groups came to no end."""
        return [hypothesis for _, hypothesis in self._finished[: self._config.n_best]] or [self._last]

    def _continue(self, hypothesis: TextHypothesis) -> list[_Continuation]:
        rows = [group.log_probs[hypothesis.row] for group in self._groups]
        pieces = [group.pieces for group in self._groups]
        return best_continuations(hypothesis, rows, pieces, self._weights, self._n_continuations)

    def _extend(
        self, score: np.float32, hypothesis: TextHypothesis, continuation: _Continuation
    ) -> TextHypothesis:
        positions, tokens, sums = [], [], []
        for g, token in enumerate(continuation.tokens):
            position, written = hypothesis.positions[g], hypothesis.tokens[g]
            if token is not None:
                position += len(self._groups[g].pieces.text(token, position))
                written = (*written, token)
            positions.append(position)
            tokens.append(written)
            sums.append(float(np.float32(hypothesis.sums[g]) + np.float32(continuation.values[g])))
        result = replace(
            hypothesis,
            text=continuation.text,
            positions=tuple(positions),
            tokens=tuple(tokens),
            sums=tuple(sums),
            score=float(score),
        )
        is_agreed = all(position == len(continuation.text) for position in positions)
        return close_segment(result, self._weights) if is_agreed else result

    def _is_cut(self, hypothesis: TextHypothesis) -> bool:
        """Whether a group that has not ended its text may take no more tokens."""
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
        """Whether an open hypothesis can still beat the worst of a full set of finished ones."""
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
        return highest > self._finished[-1][0]


def close_segment(hypothesis: TextHypothesis, weights: Sequence[float]) -> TextHypothesis:
    """The hypothesis with a segment for what was written after its last one."""
    start = sum(len(segment.text) for segment in hypothesis.segments)
    before = [sum(s.group_log_probs[g] for s in hypothesis.segments) for g in range(len(weights))]
    values = tuple(total - past for total, past in zip(hypothesis.sums, before, strict=True))
    log_prob = sum(weight * value for weight, value in zip(weights, values, strict=True))
    segment = Segment(hypothesis.text[start:], log_prob, values)
    return replace(hypothesis, segments=(*hypothesis.segments, segment))


def best_continuations(
    hypothesis: TextHypothesis,
    rows: Rows,
    pieces: Sequence[TextPieces],
    weights: Sequence[float],
    count: int,
) -> list[_Continuation]:
    """The ``count`` best continuations of a hypothesis, best first: one token of every group that moves.

    Those are left out after which a group has no token that could follow the longest text: a byte, or a
    character of another script, that it cannot write.

    Args:
        hypothesis: Its text and the groups' positions in it.
        rows: The groups' log-probabilities of their next tokens.
        pieces: The groups' texts.
        weights: Of the groups, above 0.
        count: How many.
    """
    text, positions = hypothesis.text, hypothesis.positions
    behind = [g for g, position in enumerate(positions) if position < len(text)]
    moving = behind or list(range(len(positions)))
    best: list[tuple[float, int, _Continuation]] = []
    highest = {g: weights[g] * float(rows[g].max()) for g in moving}

    def can_follow(g: int, longest: str, token: int | None = None) -> bool:
        at = positions[g] + (0 if token is None else len(pieces[g].text(token, positions[g])))
        return pieces[g].can_follow(longest[at:], at)

    def offer(longest: str, options: dict[int, list[int]]) -> None:
        if not all(can_follow(g, longest) for g in range(len(rows)) if g not in options):
            return
        followed = [[t for t in tokens if can_follow(g, longest, t)] for g, tokens in options.items()]
        for choice in product(*followed):
            chosen = dict(zip(options, choice, strict=True))
            values = tuple(float(rows[g][chosen[g]]) if g in chosen else 0.0 for g in range(len(rows)))
            gain = sum(weights[g] * values[g] for g in moving)
            if gain > -np.inf and (len(best) < count or gain > best[0][0]):
                tokens = tuple(chosen.get(g) for g in range(len(rows)))
                entry = (gain, -len(seen), _Continuation(gain, longest, tokens, values))
                seen.append(gain)
                (heapq.heappush if len(best) < count else heapq.heapreplace)(best, entry)

    def prefixes(g: int, longest: str, *, shorter: bool) -> list[int]:
        rest, at = longest[positions[g] :], positions[g]
        tokens = pieces[g].prefixes(rest, at)
        return [t for t in tokens if not (shorter and len(pieces[g].text(t, at)) == len(rest))]

    seen: list[float] = []
    if behind:  # nobody passes the longest text
        offer(text, {g: prefixes(g, text, shorter=False) for g in moving})
    for leader in moving:
        others = [g for g in moving if g != leader]
        bound_of_others = sum(highest[g] for g in others)
        at = positions[leader]
        for token, value in _likeliest(rows[leader], pieces[leader].extensions(text[at:], at)):
            if len(best) == count and weights[leader] * value + bound_of_others <= best[0][0]:
                break
            longest = text[:at] + pieces[leader].text(token, at)
            if behind and len(longest) == len(text):
                continue  # offered above
            # Where several write the longest text, the first of them leads.
            options = {g: prefixes(g, longest, shorter=g < leader) for g in others}
            offer(longest, {g: options.get(g, [token]) for g in moving})
    return [continuation for *_, continuation in sorted(best, reverse=True)]


def _likeliest(row: NDArray[np.float32], tokens: NDArray[np.int64]) -> Iterator[tuple[int, float]]:
    """The possible ones of ``tokens`` with their log-probabilities, from the likeliest on."""
    values, start, size = row[tokens], 0, _FIRST_BLOCK
    while start < len(tokens):
        size = min(size, len(tokens))
        top = np.argpartition(-values, size - 1)[:size] if size < len(tokens) else np.arange(len(tokens))
        top = top[np.argsort(-values[top], kind="stable")]
        for index in top[start:]:
            if values[index] == -np.inf:
                return
            yield int(tokens[index]), float(values[index])
        start, size = size, 4 * size
