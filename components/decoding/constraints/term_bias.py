"""Contextual biasing: terms are boosted token by token, and the boost is given back where one breaks off.

Shallow fusion with a prefix trie (Zhao et al. 2019, https://doi.org/10.21437/Interspeech.2019-1209; Le et al.
2021, https://arxiv.org/abs/2104.02194). What a finished text gains is a function of the text alone: every
token that lies in a whole occurrence of a term gains the term's boost, the largest where terms overlap, and
of each term the first occurrences count, up to its limit. An unfinished text also has what its open matches
would gain if they were completed; a token that completes none of them gives that back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from components.decoding.constraints.logits_processors import History
from components.decoding.constraints.phrase_trie import NO_MATCHES, Matches, PhraseTrie, TrieNode


@dataclass(frozen=True)
class _State:
    """A text so far.

    Attributes:
        matches: the open matches.
        gains: what the last tokens have gained for good, as many as the longest open match has.
        pending: what the open matches would gain beyond that.
        counts: occurrences of each term so far, where there are any.
        spent: the terms that have reached their limit.
    """

    matches: Matches = NO_MATCHES
    gains: tuple[float, ...] = ()
    pending: float = 0.0
    counts: Mapping[int, int] = field(default_factory=dict)
    spent: frozenset[int] = frozenset()


class TermBias:
    """A :data:`~.logits_processors.LogitsProcessor` of one search that boosts terms.

    Args:
        tries: of each utterance the terms that are boosted in it; None: none.
    """

    def __init__(self, tries: Sequence[PhraseTrie | None]) -> None:
        self._tries = tries
        self._states: dict[tuple[int, ...], _State] = {}
        self._starts: dict[tuple[PhraseTrie, bool, frozenset[int]], Tensor] = {}

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
        """Return the state of a row, from that of the row that it continues, else from its beginning."""
        if len(key) > 1 and (before := self._states.get(key[:-1])) is not None:
            return advance(trie, before, key[-1])[1]
        state = _State()
        for token in key[1:]:
            state = advance(trie, state, token)[1]
        return state

    def _bonuses(self, trie: PhraseTrie, state: _State, like: Tensor) -> Tensor:
        """Return what each token adds (V,) to the gain of a row."""
        bonuses = self._start_bonuses(trie, state, like)
        if not state.matches.open:
            return bonuses
        # A token that continues no match gives back what is pending; what is complete before it stays.
        refunds = [_kept(trie, state, inside) for inside in (False, True)]
        continues = trie.edges.continues.to(like.device)
        bonuses = bonuses + torch.where(continues, refunds[1], refunds[0]).to(like.dtype) - state.pending
        tokens = {token for node in state.matches.open for token in node.children}
        if any(node.phrases for node in state.matches.open):  # what ends here may have reached its limit
            tokens.update(trie.root.children)
        for token in tokens:
            bonuses[token] = advance(trie, state, token)[0]
        return bonuses

    def _start_bonuses(self, trie: PhraseTrie, state: _State, like: Tensor) -> Tensor:
        """Return what each token (V,) gains by beginning a term."""
        in_word = state.matches.in_word
        key = (trie, in_word, state.spent)
        if key not in self._starts:
            bonuses = like.new_zeros(like.shape[1])
            for token, node in trie.root.children.items():
                if trie.starts(token, in_word):
                    bonuses[token] = _boost_of(trie, node.beginnings, state.spent)
            self._starts[key] = bonuses
        return self._starts[key]


def advance(trie: PhraseTrie, state: _State, token: int) -> tuple[float, _State]:
    """Return what a token adds to the gain of a text, and the state after it."""
    gains, counts, spent = _secure(trie, state, trie.completed(state.matches, token))
    matches = trie.advance(state.matches, token)
    depth = max((node.depth for node in matches.open), default=0)
    after = (*gains, 0.0)[len(gains) + 1 - depth :] if depth else ()
    pending = max((_missing(trie, after, node, spent) for node in matches.open), default=0.0)
    added = sum(gains) - sum(state.gains) + pending - state.pending
    return added, _State(matches, after, pending, counts, spent)


def _secure(
    trie: PhraseTrie, state: _State, nodes: Sequence[TrieNode]
) -> tuple[tuple[float, ...], Mapping[int, int], frozenset[int]]:
    """Return gains, counts and spent terms with those of complete terms, which end at the last token."""
    if not nodes:
        return state.gains, state.counts, state.spent
    gains, counts = list(state.gains), dict(state.counts)
    for node in nodes:
        boost = _boost_of(trie, node.phrases, state.spent)
        for i in range(len(gains) - node.depth, len(gains)):
            gains[i] = max(gains[i], boost)
    for number in frozenset().union(*(node.phrases for node in nodes)):
        counts[number] = counts.get(number, 0) + 1
    spent = frozenset(number for number, count in counts.items() if count >= trie.phrases[number].limit)
    return tuple(gains), counts, spent


def _kept(trie: PhraseTrie, state: _State, inside: bool) -> float:
    """What a token that continues no match keeps of complete terms: it goes on with a word, or does not."""
    nodes = trie.completed(state.matches, None)
    gains, _, _ = _secure(trie, state, [node for node in nodes if not (inside and node.in_word)])
    return sum(gains) - sum(state.gains)


def _boost_of(trie: PhraseTrie, numbers: Iterable[int], spent: frozenset[int]) -> float:
    return max((trie.phrases[number].boost for number in numbers if number not in spent), default=0.0)


def _missing(trie: PhraseTrie, gains: tuple[float, ...], node: TrieNode, spent: frozenset[int]) -> float:
    boost = _boost_of(trie, node.beginnings, spent)
    return sum(max(0.0, boost - gain) for gain in gains[len(gains) - node.depth :])
