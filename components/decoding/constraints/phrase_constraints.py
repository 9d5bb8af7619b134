"""Hard constraints of a beam search: phrases that must occur in the text.

The beam is divided by how much of the constraints its rows have met (dynamic beam allocation, Post and Vilar
2018, https://aclanthology.org/N18-1119): the continuations with equal progress are a bank, and the places of
the beam go to the best of every bank, then to the second best, and so on. Besides the likeliest
continuations, every row may take each token that goes on with a phrase it still lacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.constraints.logits_processors import FORBIDDEN, History
from components.decoding.constraints.phrase_trie import NO_MATCHES, Matches, PhraseTrie

DEMOTION = 1e4
"""Of the normalized score of a text that was cut at the limit, for every phrase that it lacks; taken back."""


@dataclass(frozen=True)
class Requirements:
    """The phrases that one text must have: their trie, and of each the tokens of its longest tokenization."""

    trie: PhraseTrie
    lengths: tuple[int, ...]


@dataclass(frozen=True)
class _State:
    """The phrases that a text has, and its open matches."""

    met: frozenset[int] = frozenset()
    matches: Matches = NO_MATCHES


class PhraseConstraints:
    """The constraints of one beam search.

    Args:
        requirements: of each utterance; None: none.
    """

    def __init__(self, requirements: Sequence[Requirements | None]) -> None:
        self._requirements = requirements
        self._states: dict[tuple[int, ...], _State] = {}

    def observe(self, history: History) -> None:
        """Follow the rows of a step; what is asked afterwards is about them, by their index."""
        keys = [
            (utterance, *tokens)
            for utterance, tokens in zip(history.utterances.tolist(), history.tokens.tolist(), strict=True)
        ]
        self._rows = [(self._requirements[key[0]], self._state_of(key)) for key in keys]
        self._states = {key: state for key, (_, state) in zip(keys, self._rows, strict=True)}

    def _state_of(self, key: tuple[int, ...]) -> _State:
        requirements = self._requirements[key[0]]
        if requirements is None or len(key) == 1:
            return _State()
        before = self._states.get(key[:-1])
        return _advance(requirements.trie, _State() if before is None else before, key[-1])

    def forbid_ends(self, log_probs: Tensor, eos: Sequence[int]) -> Tensor:
        """Return scores (R, V) in which rows that lack a phrase do not end, in place."""
        rows = [row for row in range(len(self._rows)) if self.count_missing(row)]
        log_probs[torch.tensor(rows, dtype=torch.long)[:, None], torch.tensor(eos)] = FORBIDDEN
        return log_probs

    def count_missing(self, row: int, token: int | None = None) -> int:
        """Return phrases that a row lacks if it ends now, or after ``token``."""
        requirements, state = self._rows[row]
        if requirements is None:
            return 0
        if token is not None:
            state = _advance(requirements.trie, state, token)
        return len(requirements.lengths) - len(_met(requirements.trie, state))

    def list_needed(self, row: int) -> list[int]:
        """Return the tokens that begin a phrase that a row lacks, or go on with one."""
        requirements, state = self._rows[row]
        if requirements is None:
            return []
        trie, met = requirements.trie, _met(requirements.trie, state)
        following = [(token, child) for node in state.matches.open for token, child in node.children.items()]
        following += [
            (token, child)
            for token, child in trie.root.children.items()
            if trie.starts(token, state.matches.in_word)
        ]
        return sorted({token for token, child in following if child.beginnings - met})

    def progress(self, row: int, token: int) -> int:
        """Return how far a row is with ``token``: tokens of its phrases, and of the longest open match."""
        requirements, state = self._rows[row]
        if requirements is None:
            return 0
        state = _advance(requirements.trie, state, token)
        met = _met(requirements.trie, state)
        done = sum(requirements.lengths[number] for number in met)
        longest: int = max((node.depth for node in state.matches.open if node.beginnings - met), default=0)
        return int(done) + longest

    def mark(self, candidates: Sequence[Sequence[Candidate]]) -> list[list[Candidate]]:
        """Return the candidates of every utterance with the number of phrases that they lack."""
        return [
            [self._mark(requirements, candidate) for candidate in each]
            for requirements, each in zip(self._requirements, candidates, strict=True)
        ]

    def _mark(self, requirements: Requirements | None, candidate: Candidate) -> Candidate:
        if requirements is None:
            return candidate
        state = _State()
        for token in candidate.tokens:
            state = _advance(requirements.trie, state, token)
        missing = len(requirements.lengths) - len(_met(requirements.trie, state))
        score = candidate.normalized_score + DEMOTION * missing
        return replace(candidate, missing=missing, normalized_score=score)


def _advance(trie: PhraseTrie, state: _State, token: int) -> _State:
    met = state.met.union(*(node.phrases for node in trie.completed(state.matches, token)))
    return _State(met, trie.advance(state.matches, token))


def _met(trie: PhraseTrie, state: _State) -> frozenset[int]:
    """Return the phrases that a text has if it ends here."""
    return state.met.union(*(node.phrases for node in trie.completed(state.matches, None)))
