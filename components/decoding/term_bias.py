"""Contextual biasing: terms are boosted token by token, and the boost is given back where one breaks off.

Shallow fusion with a prefix trie (Zhao et al. 2019, https://doi.org/10.21437/Interspeech.2019-1209; Le et al.
2021, https://arxiv.org/abs/2104.02194). What a finished text gains is a function of the text alone: every
token that lies in a whole occurrence of a term gains the term's boost, the largest where terms overlap. An
unfinished text also has what its open matches would gain if they were completed; a token that completes none
of them gives that back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from components.decoding.logits_processors import History
from components.decoding.phrase_trie import NO_MATCHES, Matches, Node, PhraseTrie


@dataclass(frozen=True)
class _State:
    """A text so far.

    Attributes:
        matches: The open matches.
        gains: What the last tokens have gained for good, as many as the longest open match has.
        pending: What the open matches would gain beyond that.
    """

    matches: Matches = NO_MATCHES
    gains: tuple[float, ...] = ()
    pending: float = 0.0


class TermBias:
    """A :data:`~.logits_processors.LogitsProcessor` of one search that boosts terms.

    Args:
        tries: Of each utterance the terms that are boosted in it; None: none.
    """

    def __init__(self, tries: Sequence[PhraseTrie | None]) -> None:
        self._tries = tries
        self._states: dict[tuple[int, ...], _State] = {}
        self._starts: dict[tuple[PhraseTrie, bool], Tensor] = {}

    def __call__(self, log_probs: Tensor, history: History) -> Tensor:
        """Add the boosts to log-probabilities (R, V), in place."""
        states: dict[tuple[int, ...], _State] = {}
        for row, (utterance, tokens) in enumerate(
            zip(history.utterances.tolist(), history.tokens.tolist(), strict=True)
        ):
            trie = self._tries[utterance]
            if trie is None:
                continue
            key = (utterance, *tokens)
            state = states[key] = states.get(key) or self._state_of(trie, key)
            log_probs[row] += self._bonuses(trie, state, log_probs)
        self._states = states
        return log_probs

    def _state_of(self, trie: PhraseTrie, key: tuple[int, ...]) -> _State:
        """The state of a row, from that of the row that it continues, else from its beginning."""
        if len(key) > 1 and (before := self._states.get(key[:-1])) is not None:
            return advance(trie, before, key[-1])[1]
        state = _State()
        for token in key[1:]:
            state = advance(trie, state, token)[1]
        return state

    def _bonuses(self, trie: PhraseTrie, state: _State, like: Tensor) -> Tensor:
        """What each token adds (V,) to the gain of a row."""
        bonuses = self._start_bonuses(trie, state.matches.in_word, like)
        if not state.matches.open:
            return bonuses
        # A token that continues no match gives back what is pending; what is complete before it stays.
        kept = [_total(_complete(trie, state, inside)) - _total(state.gains) for inside in (False, True)]
        continues = trie.edges.continues.to(like.device)
        bonuses = bonuses + torch.where(continues, kept[1], kept[0]).to(like.dtype) - state.pending
        tokens = {token for node in state.matches.open for token in node.children}
        for token in tokens:
            bonuses[token] = advance(trie, state, token)[0]
        return bonuses

    def _start_bonuses(self, trie: PhraseTrie, in_word: bool, like: Tensor) -> Tensor:
        """What each token (V,) gains by beginning a term."""
        key = (trie, in_word)
        if key not in self._starts:
            bonuses = like.new_zeros(like.shape[1])
            for token, node in trie.root.children.items():
                if trie.starts(token, in_word):
                    bonuses[token] = node.boost
            self._starts[key] = bonuses
        return self._starts[key]


def advance(trie: PhraseTrie, state: _State, token: int) -> tuple[float, _State]:
    """What a token adds to the gain of a text, and the state after it."""
    gains = _secure(state.gains, trie.completed(state.matches, token))
    matches = trie.advance(state.matches, token)
    depth = max((node.depth for node in matches.open), default=0)
    after = (*gains, 0.0)[len(gains) + 1 - depth :] if depth else ()
    pending = max((_missing(after, node) for node in matches.open), default=0.0)
    added = _total(gains) - _total(state.gains) + pending - state.pending
    return added, _State(matches, after, pending)


def _complete(trie: PhraseTrie, state: _State, inside: bool) -> tuple[float, ...]:
    """The gains after a token that continues no match, and goes on with a word or does not."""
    nodes = trie.completed(state.matches, None)
    return _secure(state.gains, [node for node in nodes if not (inside and node.in_word)])


def _secure(gains: tuple[float, ...], nodes: Iterable[Node]) -> tuple[float, ...]:
    """The gains with those of complete terms, which end at the last token."""
    secured = list(gains)
    for node in nodes:
        for i in range(len(secured) - node.depth, len(secured)):
            secured[i] = max(secured[i], node.phrase_boost)
    return tuple(secured)


def _missing(gains: tuple[float, ...], node: Node) -> float:
    return sum(max(0.0, node.boost - gain) for gain in gains[len(gains) - node.depth :])


def _total(gains: tuple[float, ...]) -> float:
    return sum(gains)


def gain_of(trie: PhraseTrie, tokens: Sequence[int]) -> float:
    """What a finished text gains."""
    state, total = _State(), 0.0
    for token in tokens:
        added, state = advance(trie, state, token)
        total += added
    return total - state.pending + _total(_complete(trie, state, inside=False)) - _total(state.gains)
