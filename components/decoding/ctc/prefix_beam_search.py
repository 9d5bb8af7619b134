"""Time-synchronous search over CTC's frame-level distributions.

Greedy search collapses the likeliest token of every frame. Prefix beam search (Graves 2012, section 7.5.3;
Hannun et al. 2014) keeps the likeliest texts so far, and sums over the alignments of each. Its hypotheses are
scored again by the forward recursion, so that their scores are exact whatever the beam has left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import exp, inf, log1p

import numpy as np

from components.decoding.ctc.forward import LogProbs, compute_forward

MIN_TOKEN_LOG_PROB = -12.0
"""Tokens that a frame gives less are not tried in it."""
TOKENS_PER_FRAME = 40
"""Of the tokens of a frame so many are tried, the likeliest."""
_NEVER = -inf


@dataclass(frozen=True)
class CtcHypothesis:
    """A text and its log-probability (nats), the sum over its alignments."""

    tokens: tuple[int, ...]
    log_prob: float


def search(
    log_probs: LogProbs,
    blank: int,
    beam_size: int,
    n_best: int,
    min_token_log_prob: float = MIN_TOKEN_LOG_PROB,
    tokens_per_frame: int = TOKENS_PER_FRAME,
) -> list[CtcHypothesis]:
    """Return the likeliest texts, best first.

    Args:
        log_probs: log-probabilities (T, V).
        blank: the token that is none.
        beam_size: texts that are kept in every frame; 1 is greedy search.
        n_best: texts that are returned at most.
        min_token_log_prob: tokens below it are not tried in a frame.
        tokens_per_frame: tokens that are tried in a frame at most.
    """
    if beam_size == 1:
        texts = [search_greedily(log_probs, blank)]
    else:
        texts = _search_prefixes(log_probs, blank, beam_size, min_token_log_prob, tokens_per_frame)
    scored = [CtcHypothesis(text, compute_forward(log_probs, text, blank).log_prob) for text in texts]
    return sorted(scored, key=lambda hypothesis: -hypothesis.log_prob)[:n_best]


def search_greedily(log_probs: LogProbs, blank: int) -> tuple[int, ...]:
    """Return the likeliest token of every frame, repetitions joined, without blanks."""
    best = log_probs.argmax(-1).tolist() if len(log_probs) else []
    return tuple(token for token, _ in groupby(best) if token != blank)


@dataclass(slots=True)
class _Prefix:
    """A text of the beam: how likely the frames so far are it, with a blank and with its last token last."""

    last: int
    parent: _Prefix | None
    blank: float = _NEVER
    token: float = _NEVER
    children: dict[int, _Prefix] = field(default_factory=dict)

    def tokens(self) -> tuple[int, ...]:
        tokens, prefix = [], self
        while prefix.parent is not None:
            tokens.append(prefix.last)
            prefix = prefix.parent
        return tuple(tokens[::-1])

    def extend(self, token: int) -> _Prefix:
        if token not in self.children:
            self.children[token] = _Prefix(token, self)
        return self.children[token]


def _search_prefixes(
    log_probs: LogProbs, blank: int, beam_size: int, threshold: float, most: int
) -> list[tuple[int, ...]]:
    """Return the texts of the beam after the last frame."""
    beam = [_Prefix(-1, None, blank=0.0)]
    for frame in log_probs:
        tokens = list(_likely_tokens(frame, blank, threshold, most))
        beam = _advance(beam, float(frame[blank]), tokens, beam_size)
    return [prefix.tokens() for prefix in beam]


def _likely_tokens(frame: LogProbs, blank: int, threshold: float, most: int) -> Iterator[tuple[int, float]]:
    """Yield the tokens of a frame that are worth trying, and their log-probabilities."""
    likely = np.flatnonzero(frame >= threshold)
    if len(likely) > most:
        likely = likely[np.argpartition(-frame[likely], most)[:most]]
    for token in likely.tolist():
        if token != blank:
            yield token, float(frame[token])


def _advance(
    beam: Sequence[_Prefix], blank: float, tokens: Sequence[tuple[int, float]], size: int
) -> list[_Prefix]:
    """Return the beam one frame later."""
    reached: dict[int, tuple[_Prefix, float, float]] = {}

    def add(prefix: _Prefix, ends_blank: float, ends_token: float) -> None:
        _, blank_before, token_before = reached.get(id(prefix), (prefix, _NEVER, _NEVER))
        ends = _log_add(blank_before, ends_blank), _log_add(token_before, ends_token)
        if max(ends) > _NEVER:
            reached[id(prefix)] = (prefix, *ends)

    for prefix in beam:
        total = _log_add(prefix.blank, prefix.token)
        add(prefix, total + blank, _NEVER)
        for token, log_prob in tokens:
            if token == prefix.last:
                add(prefix, _NEVER, prefix.token + log_prob)
                add(prefix.extend(token), _NEVER, prefix.blank + log_prob)
            else:
                add(prefix.extend(token), _NEVER, total + log_prob)
    for prefix, ends_blank, ends_token in reached.values():
        prefix.blank, prefix.token = ends_blank, ends_token
    return sorted((prefix for prefix, *_ in reached.values()), key=lambda p: -_log_add(p.blank, p.token))[
        :size
    ]


def _log_add(a: float, b: float) -> float:
    """Return log(exp(a) + exp(b)); numpy's takes ten times as long for single numbers."""
    if a < b:
        a, b = b, a
    return a if b == _NEVER else a + log1p(exp(b - a))
