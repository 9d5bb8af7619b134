"""Phrases in the tokens of a vocabulary: a prefix trie, and the matches that are open after each token.

A phrase may have several tokenizations (with a space before it, capitalized). It occurs in a text where one
of them does, as whole words: where a token that would go on with the word follows, it does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from components.term_list import has_word_edge


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
        """The edges of tokens with these texts, spaces included; special tokens are empty."""
        return cls(
            torch.tensor([has_word_edge(text[:1]) for text in texts]),
            torch.tensor([has_word_edge(text[-1:]) for text in texts]),
        )


@dataclass(eq=False)
class Node:
    """A node of the trie: the first ``depth`` tokens of one phrase or more.

    Attributes:
        depth: Number of tokens.
        boost: The largest of the phrases that begin with them, in nats per token.
        children: Token -> the node with that token more.
        phrases: Numbers of the phrases that they are, complete.
        phrase_boost: The largest boost of those.
        beginnings: Numbers of the phrases that begin with them, complete ones too.
        in_word: Whether their last character is part of a word.
    """

    depth: int = 0
    boost: float = 0.0
    children: dict[int, Node] = field(default_factory=dict)
    phrases: frozenset[int] = frozenset()
    phrase_boost: float = 0.0
    beginnings: frozenset[int] = frozenset()
    in_word: bool = False


class PhraseTrie:
    """The trie of some phrases.

    Args:
        phrases: Of each phrase its tokenizations, none empty, and its boost in nats per token.
        edges: Of the vocabulary.
    """

    def __init__(self, phrases: Sequence[tuple[Iterable[Sequence[int]], float]], edges: WordEdges) -> None:
        self.edges, self.root = edges, Node()
        self._continues, self._ends_in_word = edges.continues.tolist(), edges.ends_in_word.tolist()
        for number, (tokenizations, boost) in enumerate(phrases):
            for tokens in tokenizations:
                self._add(number, tokens, boost)

    def _add(self, number: int, tokens: Sequence[int], boost: float) -> None:
        node = self.root
        for depth, token in enumerate(tokens, 1):
            node = node.children.setdefault(token, Node(depth, in_word=self._ends_in_word[token]))
            node.boost = max(node.boost, boost)
            node.beginnings |= {number}
        node.phrases |= {number}
        node.phrase_boost = max(node.phrase_boost, boost)

    def starts(self, token: int, in_word: bool) -> bool:
        """Whether a phrase may begin with ``token``, after a text that ends in a word or not."""
        return not (in_word and self._continues[token])

    def completed(self, matches: Matches, token: int | None) -> list[Node]:
        """The phrases that are complete before ``token``; None: before one that begins no further letters."""
        inside = token is not None and self._continues[token]
        return [node for node in matches.open if node.phrases and not (inside and node.in_word)]

    def advance(self, matches: Matches, token: int) -> Matches:
        """The open matches after ``token``."""
        nodes = [*matches.open, *([self.root] if self.starts(token, matches.in_word) else [])]
        following = (node.children.get(token) for node in nodes)
        return Matches(tuple(n for n in following if n is not None), self._ends_in_word[token])


@dataclass(frozen=True)
class Matches:
    """The nodes that the ends of a text match, longest first, and whether the text ends in a word."""

    open: tuple[Node, ...] = ()
    in_word: bool = False


NO_MATCHES = Matches()
"""Before the first token."""
