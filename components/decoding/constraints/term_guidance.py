"""The terms of a list in the tokens of a model, ready to guide its searches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from components.decoding.constraints.constrained_chooser import BeamAllocation
from components.decoding.constraints.guidance import Guidance
from components.decoding.constraints.phrase_constraints import PhraseConstraints, Requirements
from components.decoding.constraints.phrase_trie import PhraseTrie, TokenizedPhrase, WordEdges
from components.decoding.constraints.term_bias import TermBias

_log = logging.getLogger("antiphon.decoding")
Tokenize = Callable[[str], Iterable[tuple[int, ...]]]
"""A phrase -> its tokenizations, with and without a space before it; empty where it cannot be written."""


class Phrase(NamedTuple):
    """A phrase that texts should have, its boost in nats per token, and whether they must."""

    text: str
    boost: float
    require: bool = False


class TermGuidance:
    """Guides the searches of one model by some phrases.

    Args:
        phrases: those that its texts should have.
        tokenize: the model's tokenizer.
        edges: where words begin and end in its tokens.
        name: the model, for the log.
    """

    def __init__(self, phrases: Sequence[Phrase], tokenize: Tokenize, edges: WordEdges, name: str) -> None:
        self._phrases, self._edges = phrases, edges
        self._tokenizations = [
            {tokens for variant in _capitalizations(phrase.text) for tokens in tokenize(variant)}
            for phrase in phrases
        ]
        self._tries: dict[tuple[tuple[int, int], ...], PhraseTrie] = {}
        unknown = [p.text for p, tokens in zip(phrases, self._tokenizations, strict=True) if not tokens]
        if unknown:
            _log.warning(
                "%s has no tokens for %d terms, such as %r: left out", name, len(unknown), unknown[0]
            )

    @cached_property
    def requires(self) -> bool:
        """Whether there is a phrase that texts must have."""
        return any(phrase.require for phrase in self._phrases)

    def guide(self, limits: Sequence[Mapping[int, int]]) -> Guidance:
        """Return the guidance of one search.

        Args:
            limits: of each utterance the numbers of its phrases, and how often each of them is boosted.
        """
        present = [
            tuple((n, limit) for n, limit in sorted(each.items()) if self._tokenizations[n])
            for each in limits
        ]
        if not any(present):
            return Guidance()
        required = [tuple(pair for pair in each if self._phrases[pair[0]].require) for each in present]
        constraints = BeamAllocation(PhraseConstraints([self._require(each) for each in required]))
        return Guidance(
            (TermBias([self._trie_of(each) if each else None for each in present]),),
            constraints if any(required) else None,
        )

    def _trie_of(self, limits: tuple[tuple[int, int], ...]) -> PhraseTrie:
        if limits not in self._tries:
            phrases = [
                TokenizedPhrase(self._tokenizations[n], self._phrases[n].boost, limit) for n, limit in limits
            ]
            self._tries[limits] = PhraseTrie(phrases, self._edges)
        return self._tries[limits]

    def _require(self, limits: tuple[tuple[int, int], ...]) -> Requirements | None:
        lengths = tuple(max(map(len, self._tokenizations[n])) for n, _ in limits)
        return Requirements(self._trie_of(limits), lengths) if limits else None


def _capitalizations(text: str) -> tuple[str, ...]:
    """Return a phrase as it is written inside a sentence and at its beginning."""
    return tuple(dict.fromkeys((text, text[:1].upper() + text[1:])))


def tokenizations(tokenizer: Any, text: str) -> set[tuple[int, ...]]:
    """Tokenize a phrase by a tokenizer of transformers, in all ways, without what it adds at the ends."""
    special, vocabulary = set(tokenizer.all_special_ids), tokenizer.get_vocab()
    found = set()
    for written in (text, f" {text}"):
        ids = [i for i in tokenizer(text_target=written, verbose=False).input_ids if i not in special]
        pieces = tokenizer.convert_ids_to_tokens(ids)
        found.add(tuple(ids))
        if pieces and pieces[0].startswith("▁"):  # sentencepiece puts a space before every text
            bare = pieces[0].removeprefix("▁")
            if not bare:
                found.add(tuple(ids[1:]))
            elif bare in vocabulary:
                found.add((vocabulary[bare], *ids[1:]))
    return {ids for ids in found if _is_whole(tokenizer, text, ids)}


def _is_whole(tokenizer: Any, text: str, ids: Sequence[int]) -> bool:
    """Return whether tokens say the whole phrase: what a vocabulary lacks is left out, as special."""
    written = tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return bool(written.strip() == text.strip())


def word_edges(tokenizer: Any, size: int) -> WordEdges:
    """Return where words begin and end in the ``size`` tokens of a model with a tokenizer of transformers."""
    texts, special = [""] * size, set(tokenizer.all_special_ids)
    vocabulary = tokenizer.get_vocab()
    byte_level = any(piece.startswith("Ġ") for piece in vocabulary)
    for piece, index in vocabulary.items():
        if index < size and index not in special:
            texts[index] = (
                tokenizer.convert_tokens_to_string([piece]) if byte_level else piece.replace("▁", " ")
            )
    return WordEdges.of(texts)
