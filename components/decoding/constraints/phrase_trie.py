"""Phrases in the tokens of a vocabulary: a prefix trie, and the matches that are open after each token.

A phrase may have several tokenizations (with a space before it, capitalized). It occurs in a text where one
of them does, as whole words: where a token that would go on with the word follows, it does not.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from components.text.term_list import has_word_edge


@dataclass(frozen=True)
class WordEdges:
    """Where words begin and end in the tokens of a vocabulary of V.

    Attributes:
        continues: (V,) whether a token begins inside a word, if it follows a letter or a digit.
        ends_in_word: (V,) whether its last character is a letter or a digit.
    """

    continues: Tensor
    ends_in_word: Tensor

    @classmethod
    def of(cls, texts: Sequence[str]) -> WordEdges:
        """Return the edges of tokens with these texts, spaces included; special tokens are empty."""
        return cls(
            torch.tensor([has_word_edge(text[:1]) for text in texts]),
            torch.tensor([has_word_edge(text[-1:]) for text in texts]),
        )


class TokenizedPhrase(NamedTuple):
    """A phrase in tokens.

    Attributes:
        tokenizations: none of them empty.
        boost: nats that each of its tokens gains.
        limit: occurrences that gain something, the first ones; without a limit a loop would gain most.
    """

    tokenizations: Collection[Sequence[int]]
    boost: float = 0.0
    limit: int = 1


@dataclass(eq=False)
class TrieNode:
    """A node of the trie: the first ``depth`` tokens of one phrase or more.

    Attributes:
        depth: number of tokens.
        children: token -> the node with that token more.
        phrases: numbers of the phrases that they are, complete.
        beginnings: numbers of the phrases that begin with them, complete ones too.
        in_word: whether their last character is part of a word.
    """

    depth: int = 0
    children: dict[int, TrieNode] = field(default_factory=dict)
    phrases: frozenset[int] = frozenset()
    beginnings: frozenset[int] = frozenset()
    in_word: bool = False


class PhraseTrie:
    """The trie of some phrases.

    Args:
        phrases: numbered from 0.
        edges: of the vocabulary.
    """

    def __init__(self, phrases: Sequence[TokenizedPhrase], edges: WordEdges) -> None:
        self.phrases, self.edges, self.root = phrases, edges, TrieNode()
        self._continues, self._ends_in_word = edges.continues.tolist(), edges.ends_in_word.tolist()
        for number, phrase in enumerate(phrases):
            for tokens in phrase.tokenizations:
                self._add(number, tokens)

    def _add(self, number: int, tokens: Sequence[int]) -> None:
        node = self.root
        for depth, token in enumerate(tokens, 1):
            node = node.children.setdefault(token, TrieNode(depth, in_word=self._ends_in_word[token]))
            node.beginnings |= {number}
        node.phrases |= {number}

    def starts(self, token: int, in_word: bool) -> bool:
        """Return whether a phrase may begin with ``token``, after a text that ends in a word or not."""
        return not (in_word and self._continues[token])

    def completed(self, matches: Matches, token: int | None) -> list[TrieNode]:
        """Return the phrases that are complete before ``token``; None: before one that begins no letters."""
        inside = token is not None and self._continues[token]
        return [node for node in matches.open if node.phrases and not (inside and node.in_word)]

    def advance(self, matches: Matches, token: int) -> Matches:
        """Return the open matches after ``token``."""
        nodes = [*matches.open, *([self.root] if self.starts(token, matches.in_word) else [])]
        following = (node.children.get(token) for node in nodes)
        return Matches(tuple(n for n in following if n is not None), self._ends_in_word[token])


@dataclass(frozen=True)
class Matches:
    """The nodes that the ends of a text match, longest first, and whether the text ends in a word."""

    open: tuple[TrieNode, ...] = ()
    in_word: bool = False


NO_MATCHES = Matches()
"""Before the first token."""
