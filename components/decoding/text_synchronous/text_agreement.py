"""Which tokens of several vocabularies may be taken together, so that one text stays a prefix of the other.

The longest text after a step is that of one group's token, which *leads*; every other group that moves takes
a token whose text is a prefix of it. So the best continuations are those of the leaders that are best
together with the best tokens of all others, of which each has few.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.decoding.text_synchronous.text_pieces import TextPieces

_FIRST_BLOCK = 64
"""Tokens that are sorted at first; the block grows where they do not decide."""

RowLayout = Sequence[NDArray[np.float32]]
"""Per group the log-probabilities (V,) of a hypothesis's next token."""


class TextPosition(NamedTuple):
    """How far each group has come in a text.

    Attributes:
        text: the longest of the groups' texts, in symbols.
        positions: length of each group's text, which is a prefix of it.
        stages: of each group's next token; see :class:`.text_pieces.TextPieces`.
    """

    text: str
    positions: tuple[int, ...]
    stages: tuple[int, ...]


@dataclass(frozen=True)
class Continuation:
    """One token, or none, for every group: what they add to the score, the longest text, and the values."""

    gain: float
    text: str
    tokens: tuple[int | None, ...]
    values: tuple[float, ...]


class _PrefixTable(NamedTuple):
    """For every token of a leader those of another group that may go with it, one leader after the other.

    ``tokens[starts[i] : starts[i + 1]]`` go with the leader ``leaders[i]``.
    """

    leaders: NDArray[np.int64]
    starts: NDArray[np.int64]
    tokens: NDArray[np.int64]


class AgreedPieces:
    """The texts of several vocabularies, searched together.

    Attributes:
        groups: the texts of each.
    """

    def __init__(self, groups: Sequence[TextPieces]) -> None:
        self.groups = list(groups)
        self._tables: dict[tuple[int, int, int, int], _PrefixTable] = {}

    def best_continuations(
        self, place: TextPosition, rows: RowLayout, weights: Sequence[float], count: int
    ) -> list[Continuation]:
        """Return the ``count`` best continuations of a text, best first: one token of every group that moves.

        Where all groups have written the same text all move, else those that have written less than others.
        Continuations are left out after which a group has no token that could follow the longest text: a
        byte, or a character of another script, that it cannot write. Of several tokens of one group that
        write the same text the likeliest is taken, unless there is one group only.

        Args:
            place: how far the groups have come.
            rows: the groups' log-probabilities of their next tokens.
            weights: of the groups, above 0.
            count: how many.
        """
        state = _State(self.groups, place, rows, weights, count)
        text = place.text
        if state.is_behind:  # nobody passes the longest text
            state.offer(text, {g: state.prefixes(g, text, shorter=False) for g in state.moving})
        for leader in state.moving:
            at, stage = place.positions[leader], place.stages[leader]
            offered: set[str] = set()
            for token, bound in self._leaders(leader, state):
                if len(state.best) == count and bound <= state.best[0][0]:
                    break
                longest = text[:at] + self.groups[leader].text(token, stage)
                if longest in offered or (state.is_behind and len(longest) == len(text)):
                    continue
                if len(rows) > 1:
                    offered.add(longest)
                # Where several write the longest text, the first of them leads.
                options = {
                    g: [token] if g == leader else state.prefixes(g, longest, shorter=g < leader)
                    for g in state.moving
                }
                state.offer(longest, options)
        return [continuation for *_, continuation in sorted(state.best, reverse=True)]

    def _leaders(self, leader: int, state: _State) -> Iterator[tuple[int, float]]:
        """Tokens that may lead, from the best on, each with what the best continuation with it may gain."""
        place, row, weight = state.place, state.rows[leader], state.weights[leader]
        others = [g for g in state.moving if g != leader]
        if state.is_behind:
            rest = place.text[place.positions[leader] :]
            tokens = self.groups[leader].extensions(rest, place.stages[leader])
            bounds = weight * row[tokens] + sum(state.weights[g] * float(state.rows[g].max()) for g in others)
            yield from _best_first(tokens, bounds)
            return
        bounds = weight * row
        for g in others:
            key = leader, place.stages[leader], g, place.stages[g]
            bounds = bounds + state.weights[g] * self._best_prefixes(key, state.rows[g])
        yield from _best_first(np.arange(len(row)), bounds)

    def _best_prefixes(self, key: tuple[int, int, int, int], row: NDArray[np.float32]) -> NDArray[np.float32]:
        """For every token of a leader the log-probability of the best token of another group with it (V,).

        ``key``: the leader and its stage, the other group and its stage.
        """
        if key not in self._tables:
            self._tables[key] = self._tabulate(*key)
        table = self._tables[key]
        best = np.full(len(self.groups[key[0]].texts[0]), -np.inf, np.float32)
        if len(table.tokens):
            best[table.leaders] = np.maximum.reduceat(row[table.tokens], table.starts)
        return best

    def _tabulate(self, leader: int, leader_stage: int, other: int, stage: int) -> _PrefixTable:
        following = self.groups[other]
        leaders, starts, tokens = list[int](), list[int](), list[int]()
        for token, text in enumerate(self.groups[leader].texts[leader_stage]):
            prefixes = following.prefixes(text, stage)
            found = [t for t in prefixes if _follows(following, t, text, stage, shorter=other < leader)]
            if found:
                leaders.append(token)
                starts.append(len(tokens))
                tokens += found
        return _PrefixTable(*(np.array(column, dtype=np.int64) for column in (leaders, starts, tokens)))


def _follows(pieces: TextPieces, token: int, text: str, stage: int, *, shorter: bool) -> bool:
    """Return whether a token that writes a prefix of ``text`` leaves something that can be followed."""
    length = len(pieces.text(token, stage))
    if shorter and length == len(text):
        return False
    return pieces.can_follow(text[length:], pieces.next_stage(token, stage))


def _best_first(tokens: NDArray[np.int64], values: NDArray[np.float32]) -> Iterator[tuple[int, float]]:
    """``tokens`` with their values above -inf, from the highest on."""
    start, size = 0, _FIRST_BLOCK
    while start < len(tokens):
        size = min(size, len(tokens))
        least = np.partition(values, -size)[-size]
        top = np.flatnonzero((values >= least) & (values > -np.inf))  # with all that equal the last
        top = top[np.argsort(-values[top], kind="stable")]
        for index in top[start:]:
            yield int(tokens[index]), float(values[index])
        if least == -np.inf:
            return
        start, size = len(top), 4 * size


@dataclass
class _State:
    """The search for the best continuations of one text.

    Attributes:
        best: a heap of those that were found.
    """

    groups: Sequence[TextPieces]
    place: TextPosition
    rows: RowLayout
    weights: Sequence[float]
    count: int
    best: list[tuple[float, int, Continuation]] = field(default_factory=list)

    def __post_init__(self) -> None:
        length = len(self.place.text)
        behind = [g for g, position in enumerate(self.place.positions) if position < length]
        self.is_behind = bool(behind)
        self.moving = behind or list(range(len(self.groups)))
        self._n_offered = 0

    def prefixes(self, g: int, longest: str, *, shorter: bool) -> list[int]:
        """Return tokens of a group that go with the longest text; of those of one text the likeliest."""
        rest, stage, pieces = longest[self.place.positions[g] :], self.place.stages[g], self.groups[g]
        best: dict[str, int] = {}
        for token in pieces.prefixes(rest, stage):
            if _follows(pieces, token, rest, stage, shorter=shorter):
                text = pieces.text(token, stage)
                if text not in best or self.rows[g][token] > self.rows[g][best[text]]:
                    best[text] = token
        return list(best.values())

    def offer(self, longest: str, options: dict[int, list[int]]) -> None:
        """Keep the best continuations to ``longest`` by a token of each group's ``options``."""
        positions, stages = self.place.positions, self.place.stages
        still = [g for g in range(len(self.rows)) if g not in options]
        if not all(self.groups[g].can_follow(longest[positions[g] :], stages[g]) for g in still):
            return
        for choice in product(*options.values()):
            token_of = dict(zip(options, choice, strict=True))
            values = tuple(
                float(self.rows[g][token_of[g]]) if g in token_of else 0.0 for g in range(len(self.rows))
            )
            gain = sum(self.weights[g] * values[g] for g in options)
            if gain > -np.inf and (len(self.best) < self.count or gain > self.best[0][0]):
                tokens = tuple(token_of.get(g) for g in range(len(self.rows)))
                self._n_offered += 1
                entry = (gain, -self._n_offered, Continuation(gain, longest, tokens, values))
                (heapq.heappush if len(self.best) < self.count else heapq.heapreplace)(self.best, entry)
