"""Members with different tokenizers, mixed token by token where that has a meaning.

Members of one vocabulary are told by the digest of their pieces in order: equal size is not equal vocabulary
(:func:`components.decoding.scorers.require_same_vocabulary` refuses the rest). Two ways to mix others, by the
text of the pieces:

- the **intersection** (the lecture's way): only pieces that all members have; every member's distribution is
  cut to them and renormalised, and the mass it loses is reported, because what a member would have said with
  other pieces is lost with it;
- the **union**: every piece of any member. A member gives nothing to pieces that it lacks, which suits
  linear interpolation (OR) and leaves log-linear (AND) with the intersection; where such a piece is chosen
  the member reads its unknown token instead, so its next words rest on a gap in the text.

Pieces agree if they stand for the same text at the same place of a word; end of sequence, padding and unknown
agree by their meaning. Members of identical tokenizers are left as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from components.decoding.scorers import MultiTokenScorer, TokenScorer, Vocabulary, digest_of
from components.errors import ConfigError

_ROLE_TOKENS = ("<eos>", "<pad>", "<unk>")
_WORD_START = "▁"


@dataclass(frozen=True)
class Lexicon:
    """The pieces of one vocabulary: ``pieces[i]`` is the text of token i, "▁" where a word begins.

    Special tokens go by their roles (``<eos>``, ``<pad>``, ``<unk>``); the others are in angle brackets.
    """

    vocabulary: Vocabulary
    pieces: tuple[str, ...]
    unknown: int | None

    @property
    def ids(self) -> dict[str, int]:
        """Piece -> id; the first of equal ones."""
        id_of_piece: dict[str, int] = {}
        for index, piece in enumerate(self.pieces):
            id_of_piece.setdefault(piece, index)
        return id_of_piece

    def text(self, tokens: Sequence[int]) -> str:
        """Token ids as text; special tokens are left out."""
        special = set(_ROLE_TOKENS)
        pieces = "".join(self.pieces[t] for t in tokens if self.pieces[t] not in special)
        return " ".join(pieces.replace(_WORD_START, " ").split())


def build_lexicon(tokenizer: Any, vocabulary: Vocabulary) -> Lexicon:
    """The lexicon of a transformers tokenizer for a model that ``vocabulary`` describes.

    The model may have more outputs than the tokenizer has pieces; these are in nobody's intersection.
    """
    pieces = [f"<extra {i}>" for i in range(vocabulary.size)]
    special = set(getattr(tokenizer, "all_special_ids", ()))
    byte_level = any(piece.startswith("Ġ") for piece in tokenizer.get_vocab())
    for piece, index in tokenizer.get_vocab().items():
        if index < vocabulary.size:
            pieces[index] = f"<{piece}>" if index in special else _piece_text(tokenizer, piece, byte_level)
    unknown = getattr(tokenizer, "unk_token_id", None)
    if unknown is not None and unknown < vocabulary.size:
        pieces[unknown] = "<unk>"
    pieces[vocabulary.pad] = "<pad>"
    for token in vocabulary.eos:
        pieces[token] = "<eos>"
    return Lexicon(vocabulary, tuple(pieces), unknown)


def _piece_text(tokenizer: Any, piece: str, byte_level: bool) -> str:
    if not byte_level:
        return piece
    text = str(tokenizer.convert_tokens_to_string([piece]))
    return text.replace(" ", _WORD_START) if "\ufffd" not in text else f"<bytes {piece}>"


@dataclass(frozen=True)
class SharedVocabulary:
    """A vocabulary for members of several, and the id that each of its tokens has in every one (-1: none)."""

    lexicon: Lexicon
    ids: tuple[tuple[int, ...], ...]

    def map_scorer(self, inner: TokenScorer, index: int, lexicon: Lexicon) -> TokenScorer:
        """``inner``, of ``lexicon``, the ``place``-th one joined, as a member of the shared vocabulary."""
        return map_scorer(inner, lexicon, self.lexicon, self.ids[index])

    def to_member_tokens(self, tokens: Sequence[int], index: int) -> list[int]:
        """Shared tokens as those of the ``place``-th member; ones that it lacks are left out."""
        return [token for token in (self.ids[index][t] for t in tokens) if token >= 0]


def intersect_vocabularies(lexicons: Sequence[Lexicon]) -> SharedVocabulary:
    """Pieces that all have, in the first one's order. ConfigError where hardly anything is shared."""
    if _all_identical(lexicons):
        return _identity_mapping(lexicons)
    others = [lexicon.ids for lexicon in lexicons[1:]]
    pieces = [piece for piece in lexicons[0].ids if all(piece in ids for ids in others)]
    if sum(not piece.startswith("<") for piece in pieces) < 2:
        raise ConfigError(
            "expected tokenizers that share pieces, found next to none in common: "
            "combine the members' texts instead (pooling), or take the union"
        )
    return _share_pieces(lexicons, pieces)


def unite_vocabularies(lexicons: Sequence[Lexicon]) -> SharedVocabulary:
    """All pieces of any, those of the first one first."""
    if _all_identical(lexicons):
        return _identity_mapping(lexicons)
    return _share_pieces(
        lexicons, list(dict.fromkeys(piece for lexicon in lexicons for piece in lexicon.ids))
    )


def _all_identical(lexicons: Sequence[Lexicon]) -> bool:
    first = lexicons[0].vocabulary
    return all(lexicon.vocabulary == first for lexicon in lexicons[1:])


def _identity_mapping(lexicons: Sequence[Lexicon]) -> SharedVocabulary:
    same = tuple(range(lexicons[0].vocabulary.size))
    return SharedVocabulary(lexicons[0], (same,) * len(lexicons))


def _share_pieces(lexicons: Sequence[Lexicon], pieces: list[str]) -> SharedVocabulary:
    member_ids = [lexicon.ids for lexicon in lexicons]
    index_of_piece = {piece: index for index, piece in enumerate(pieces)}
    if "<eos>" not in index_of_piece:
        raise ConfigError("expected members that all have an end of sequence, found one without")
    size, pad = len(pieces), index_of_piece.get("<pad>", index_of_piece["<eos>"])
    vocabulary = Vocabulary(size, (index_of_piece["<eos>"],), pad, digest_of(index_of_piece))
    lexicon = Lexicon(vocabulary, tuple(pieces), index_of_piece.get("<unk>"))
    return SharedVocabulary(
        lexicon, tuple(tuple(ids.get(piece, -1) for piece in pieces) for ids in member_ids)
    )


def map_ids(target: Lexicon, other: Lexicon) -> tuple[int, ...]:
    """The id in ``other`` of every token of ``target``, -1 where it has none: for :func:`map_scorer`."""
    ids = other.ids
    return tuple(ids.get(piece, -1) for piece in target.pieces)


@dataclass
class LostProbability:
    """The probability that a member gave to pieces outside the shared vocabulary, per row and step.

    Nothing can be asked before the first step.
    """

    largest: float = 0.0

    def start(self, mass: Tensor) -> None:
        """Count the first step of N utterances, a row each."""
        self._owners = torch.arange(len(mass))
        self._sums, self._counts = torch.zeros(len(mass)), torch.zeros(len(mass))
        self.add(mass, self._owners)

    def add(self, mass: Tensor, parents: Tensor) -> None:
        """Count the rows (R,) of one step, which continue the rows ``parents`` of the one before."""
        self._owners, mass = self._owners[parents.cpu()], mass.cpu()
        self._sums.index_add_(0, self._owners, mass)
        self._counts.index_add_(0, self._owners, torch.ones(len(mass)))
        self.largest = max(self.largest, float(mass.max()))

    @property
    def per_utterance(self) -> list[float]:
        """The mean of each utterance."""
        means: list[float] = (self._sums / self._counts).tolist()
        return means

    @property
    def mean(self) -> float:
        """Per row and step."""
        return float(self._sums.sum() / self._counts.sum())


@dataclass
class MappedScorer:
    """A member that speaks another vocabulary; ``dropped`` says how much of its mass was cut off.

    ``ids`` (V,) are its own ids of the target's tokens, -1 where it has none: these are forbidden to it. The
    rest is renormalised. A token that it lacks is read as ``unknown``, else as its end of sequence.
    """

    inner: TokenScorer
    target: Vocabulary
    ids: Tensor
    unknown: int
    lost: LostProbability = field(default_factory=LostProbability)

    def __post_init__(self) -> None:
        self.name, self.vocabulary, self.limit = self.inner.name, self.target, self.inner.limit
        self._lacking = self.ids < 0
        self._present_ids = self.ids.clamp(min=0)
        self._read_ids = torch.where(self._lacking, self.unknown, self.ids)

    def prefill(self) -> Tensor:
        """See :class:`components.decoding.TokenScorer`."""
        scores, mass = self._restrict(self.inner.prefill())
        self.lost.start(mass)
        return scores

    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """See :class:`components.decoding.TokenScorer`."""
        return self._count_lost(
            self.inner.step(beam_indices, self._read_ids.to(tokens.device)[tokens]), beam_indices
        )

    def step_many(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """See :class:`components.decoding.scorers.MultiTokenScorer`."""
        own = self._read_ids.to(tokens.device)[tokens]
        if isinstance(self.inner, MultiTokenScorer):
            return self._count_lost(self.inner.step_many(beam_indices, own), beam_indices)
        scores, rows = self.inner.step(beam_indices, own[:, 0]), torch.arange(len(own), device=own.device)
        for column in own.T[1:]:
            scores = self.inner.step(rows, column)
        return self._count_lost(scores, beam_indices)

    def _count_lost(self, scores: Tensor, beam_indices: Tensor) -> Tensor:
        log_probs, mass = self._restrict(scores)
        self.lost.add(mass, beam_indices)
        return log_probs

    def _restrict(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities (R, V) of what the target has, renormalised, and the mass (R,) of the rest."""
        present, lacking = self._present_ids.to(scores.device), self._lacking.to(scores.device)
        log_probs = torch.log_softmax(scores, dim=-1)[:, present].masked_fill_(lacking, -torch.inf)
        total = log_probs.logsumexp(dim=-1, keepdim=True)
        return log_probs - total, (1 - total.exp()).clamp(min=0)[:, 0]


def map_scorer(
    inner: TokenScorer, own: Lexicon, target: Lexicon, ids: Sequence[int] | None = None
) -> TokenScorer:
    """``inner``, whose pieces are ``own``, as a member of ``target``; itself where the two are the same.

    ConfigError if it cannot end a sequence there.
    """
    if own.vocabulary == target.vocabulary:
        return inner
    ids = map_ids(target, own) if ids is None else ids
    if all(ids[token] < 0 for token in target.vocabulary.eos):
        raise ConfigError(f"{inner.name}: expected an end of sequence that the target shares, found none")
    unknown = own.unknown if own.unknown is not None else own.vocabulary.eos[0]
    return MappedScorer(inner, target.vocabulary, torch.tensor(ids), unknown)
