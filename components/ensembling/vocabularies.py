"""Members with different tokenizers, mixed token by token where that has a meaning.

Members of one vocabulary are told by the digest of their pieces in order: equal size is not equal vocabulary
(:func:`components.decoding.members.require_one_vocabulary` refuses the rest). Two ways to mix others, by the
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

from components.decoding.members import Member, Striding, Vocabulary, digest_of
from components.errors import ConfigError

_ROLES = ("<eos>", "<pad>", "<unk>")
_WORD = "▁"


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
        found: dict[str, int] = {}
        for index, piece in enumerate(self.pieces):
            found.setdefault(piece, index)
        return found

    def text(self, tokens: Sequence[int]) -> str:
        """Token ids as text; special tokens are left out."""
        special = set(_ROLES)
        joined = "".join(self.pieces[t] for t in tokens if self.pieces[t] not in special)
        return " ".join(joined.replace(_WORD, " ").split())


def lexicon_of(tokenizer: Any, vocabulary: Vocabulary) -> Lexicon:
    """The lexicon of a transformers tokenizer for a model that ``vocabulary`` describes.

    The model may have more outputs than the tokenizer has pieces; these are in nobody's intersection.
    """
    pieces = [f"<extra {i}>" for i in range(vocabulary.size)]
    special = set(getattr(tokenizer, "all_special_ids", ()))
    byte_level = any(piece.startswith("Ġ") for piece in tokenizer.get_vocab())
    for piece, index in tokenizer.get_vocab().items():
        if index < vocabulary.size:
            pieces[index] = f"<{piece}>" if index in special else _plain(tokenizer, piece, byte_level)
    unknown = getattr(tokenizer, "unk_token_id", None)
    if unknown is not None and unknown < vocabulary.size:
        pieces[unknown] = "<unk>"
    pieces[vocabulary.pad] = "<pad>"
    for token in vocabulary.eos:
        pieces[token] = "<eos>"
    return Lexicon(vocabulary, tuple(pieces), unknown)


def _plain(tokenizer: Any, piece: str, byte_level: bool) -> str:
    if not byte_level:
        return piece
    text = str(tokenizer.convert_tokens_to_string([piece]))
    return text.replace(" ", _WORD) if "\ufffd" not in text else f"<bytes {piece}>"


@dataclass(frozen=True)
class Shared:
    """A vocabulary for members of several, and the id that each of its tokens has in every one (-1: none)."""

    lexicon: Lexicon
    ids: tuple[tuple[int, ...], ...]

    def member(self, inner: Member, place: int, lexicon: Lexicon) -> Member:
        """``inner``, of ``lexicon``, the ``place``-th one joined, as a member of the shared vocabulary."""
        return mapped(inner, lexicon, self.lexicon, self.ids[place])

    def tokens_of(self, tokens: Sequence[int], place: int) -> list[int]:
        """Shared tokens as those of the ``place``-th member; ones that it lacks are left out."""
        return [token for token in (self.ids[place][t] for t in tokens) if token >= 0]


def intersection(lexicons: Sequence[Lexicon]) -> Shared:
    """Pieces that all have, in the first one's order. ConfigError where hardly anything is shared."""
    if _identical(lexicons):
        return _unchanged(lexicons)
    others = [lexicon.ids for lexicon in lexicons[1:]]
    pieces = [piece for piece in lexicons[0].ids if all(piece in ids for ids in others)]
    if sum(not piece.startswith("<") for piece in pieces) < 2:
        raise ConfigError(
            "expected tokenizers that share pieces, found next to none in common: "
            "combine the members' texts instead (pooling), or take the union"
        )
    return _joined(lexicons, pieces)


def union(lexicons: Sequence[Lexicon]) -> Shared:
    """All pieces of any, those of the first one first."""
    if _identical(lexicons):
        return _unchanged(lexicons)
    return _joined(lexicons, list(dict.fromkeys(piece for lexicon in lexicons for piece in lexicon.ids)))


def _identical(lexicons: Sequence[Lexicon]) -> bool:
    first = lexicons[0].vocabulary
    return all(lexicon.vocabulary == first for lexicon in lexicons[1:])


def _unchanged(lexicons: Sequence[Lexicon]) -> Shared:
    same = tuple(range(lexicons[0].vocabulary.size))
    return Shared(lexicons[0], (same,) * len(lexicons))


def _joined(lexicons: Sequence[Lexicon], pieces: list[str]) -> Shared:
    known = [lexicon.ids for lexicon in lexicons]
    place = {piece: index for index, piece in enumerate(pieces)}
    if "<eos>" not in place:
        raise ConfigError("expected members that all have an end of sequence, found one without")
    size, pad = len(pieces), place.get("<pad>", place["<eos>"])
    vocabulary = Vocabulary(size, (place["<eos>"],), pad, digest_of(place))
    lexicon = Lexicon(vocabulary, tuple(pieces), place.get("<unk>"))
    return Shared(lexicon, tuple(tuple(ids.get(piece, -1) for piece in pieces) for ids in known))


def onto(target: Lexicon, other: Lexicon) -> tuple[int, ...]:
    """The id in ``other`` of every token of ``target``, -1 where it has none: for :func:`mapped`."""
    ids = other.ids
    return tuple(ids.get(piece, -1) for piece in target.pieces)


@dataclass
class Dropped:
    """The probability that a member gave to pieces outside the shared vocabulary, per row and step.

    Nothing can be asked before the first step.
    """

    largest: float = 0.0

    def begin(self, mass: Tensor) -> None:
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
    def each(self) -> list[float]:
        """The mean of each utterance."""
        means: list[float] = (self._sums / self._counts).tolist()
        return means

    @property
    def mean(self) -> float:
        """Per row and step."""
        return float(self._sums.sum() / self._counts.sum())


@dataclass
class MappedMember:
    """A member that speaks another vocabulary; ``dropped`` says how much of its mass was cut off.

    ``ids`` (V,) are its own ids of the target's tokens, -1 where it has none: these are forbidden to it. The
    rest is renormalised. A token that it lacks is read as ``unknown``, else as its end of sequence.
    """

    inner: Member
    target: Vocabulary
    ids: Tensor
    unknown: int
    dropped: Dropped = field(default_factory=Dropped)

    def __post_init__(self) -> None:
        self.name, self.vocabulary, self.limit = self.inner.name, self.target, self.inner.limit
        self._lacking = self.ids < 0
        self._known = self.ids.clamp(min=0)
        self._read = torch.where(self._lacking, self.unknown, self.ids)

    def begin(self) -> Tensor:
        """See :class:`components.decoding.Member`."""
        scores, mass = self._cut(self.inner.begin())
        self.dropped.begin(mass)
        return scores

    def advance(self, parents: Tensor, tokens: Tensor) -> Tensor:
        """See :class:`components.decoding.Member`."""
        return self._counted(self.inner.advance(parents, self._read.to(tokens.device)[tokens]), parents)

    def stride(self, parents: Tensor, tokens: Tensor) -> Tensor:
        """See :class:`components.decoding.members.Striding`."""
        own = self._read.to(tokens.device)[tokens]
        if isinstance(self.inner, Striding):
            return self._counted(self.inner.stride(parents, own), parents)
        scores, rows = self.inner.advance(parents, own[:, 0]), torch.arange(len(own), device=own.device)
        for column in own.T[1:]:
            scores = self.inner.advance(rows, column)
        return self._counted(scores, parents)

    def _counted(self, scores: Tensor, parents: Tensor) -> Tensor:
        kept, mass = self._cut(scores)
        self.dropped.add(mass, parents)
        return kept

    def _cut(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities (R, V) of what the target has, renormalised, and the mass (R,) of the rest."""
        known, lacking = self._known.to(scores.device), self._lacking.to(scores.device)
        log_probs = torch.log_softmax(scores, dim=-1)[:, known].masked_fill_(lacking, -torch.inf)
        kept = log_probs.logsumexp(dim=-1, keepdim=True)
        return log_probs - kept, (1 - kept.exp()).clamp(min=0)[:, 0]


def mapped(inner: Member, own: Lexicon, target: Lexicon, ids: Sequence[int] | None = None) -> Member:
    """``inner``, whose pieces are ``own``, as a member of ``target``; itself where the two are the same.

    ConfigError if it cannot end a sequence there.
    """
    if own.vocabulary == target.vocabulary:
        return inner
    ids = onto(target, own) if ids is None else ids
    if all(ids[token] < 0 for token in target.vocabulary.eos):
        raise ConfigError(f"{inner.name}: expected an end of sequence that the target shares, found none")
    unknown = own.unknown if own.unknown is not None else own.vocabulary.eos[0]
    return MappedMember(inner, target.vocabulary, torch.tensor(ids), unknown)
