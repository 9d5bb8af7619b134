"""Shared vocabularies for members with different tokenizers, so that they can be mixed token by token.

Members have the same vocabulary if the digests of their pieces in order agree; equal size is not enough
(:func:`components.decoding.scorers.require_same_vocabulary` refuses the rest). There are two ways to share a
vocabulary, both by the text of the pieces:

- the **intersection**: only pieces that all members have; every member's distribution is restricted to them
  and renormalized. The probability that it loses is reported, because what the member would have written with
  other pieces is lost with it;
- the **union**: every piece of any member. A member gives nothing to pieces that it lacks, which suits
  linear interpolation (OR) and leaves log-linear (AND) with the intersection; where such a piece is chosen
  the member reads its unknown token instead, so its next words rest on a gap in the text.

Pieces agree if they stand for the same text at the same position in a word (begin or inside); end of
sequence, padding and unknown agree by their role. Members of identical tokenizers are left as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from components.decoding.constraints.logits_processors import on_each_device
from components.decoding.moves import RowTransition, prepare_step
from components.decoding.scorers import TokenScorer, Vocabulary, digest_of
from components.errors import ConfigError

_ROLE_TOKENS = ("<eos>", "<pad>", "<unk>")
_WORD_START = "▁"


@dataclass(frozen=True)
class Lexicon:
    """The pieces of one vocabulary as text.

    ``pieces[i]`` is the text of token i, with "▁" where a word begins. Special tokens are called by their
    roles (``<eos>``, ``<pad>``, ``<unk>``), other ones stand in angle brackets. ``unknown`` is the id of
    ``<unk>``.
    """

    vocabulary: Vocabulary
    pieces: tuple[str, ...]
    unknown: int | None

    @property
    def ids(self) -> dict[str, int]:
        """Piece -> id; of equal pieces the first."""
        id_of_piece: dict[str, int] = {}
        for index, piece in enumerate(self.pieces):
            id_of_piece.setdefault(piece, index)
        return id_of_piece

    def text(self, tokens: Sequence[int]) -> str:
        """Return the token ids as text; special tokens are left out."""
        special = set(_ROLE_TOKENS)
        pieces = "".join(self.pieces[t] for t in tokens if self.pieces[t] not in special)
        return " ".join(pieces.replace(_WORD_START, " ").split())


def build_lexicon(tokenizer: Any, vocabulary: Vocabulary) -> Lexicon:
    """Return the lexicon of a transformers tokenizer for a model that ``vocabulary`` describes.

    Outputs of the model beyond the tokenizer's pieces get texts that no other lexicon has.
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
    """A vocabulary made of several: ``ids[m][t]`` is the id of its token t in member m's own, or -1."""

    lexicon: Lexicon
    ids: tuple[tuple[int, ...], ...]

    def map_scorer(self, inner: TokenScorer, index: int, lexicon: Lexicon) -> TokenScorer:
        """Map the scorer ``inner`` of member ``index``, whose pieces are ``lexicon``."""
        return map_scorer(inner, lexicon, self.lexicon, self.ids[index])


def intersect_vocabularies(lexicons: Sequence[Lexicon]) -> SharedVocabulary:
    """Return the pieces that all lexicons have, in the order of the first.

    Raises:
        ConfigError: fewer than two pieces are shared.
    """
    if _all_identical(lexicons):
        return _identity_mapping(lexicons)
    others = [lexicon.ids for lexicon in lexicons[1:]]
    pieces = [piece for piece in lexicons[0].ids if all(piece in ids for ids in others)]
    if sum(not piece.startswith("<") for piece in pieces) < 2:
        raise ConfigError(
            "expected tokenizers that share pieces, found next to none in common: "
            "combine the members' finished texts instead (combine.method: output_level), or take the union"
        )
    return _share_pieces(lexicons, pieces)


def unite_vocabularies(lexicons: Sequence[Lexicon]) -> SharedVocabulary:
    """Return the pieces that any lexicon has, those of the first one first."""
    if _all_identical(lexicons):
        return _identity_mapping(lexicons)
    pieces = dict.fromkeys(piece for lexicon in lexicons for piece in lexicon.ids)
    return _share_pieces(lexicons, list(pieces))


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
    shared_ids = tuple(tuple(ids.get(piece, -1) for piece in pieces) for ids in member_ids)
    return SharedVocabulary(lexicon, shared_ids)


def map_ids(target: Lexicon, other: Lexicon) -> tuple[int, ...]:
    """Return the id in ``other`` of every token of ``target``, -1 where it has none."""
    ids = other.ids
    return tuple(ids.get(piece, -1) for piece in target.pieces)


class LostProbability:
    """Running mean of the probability that a member gave to pieces outside the shared vocabulary.

    The means exist from the first step on.
    """

    def start(self, probability: Tensor) -> None:
        """Count the first step: the probability (N,) lost by each of N utterances."""
        n, device = len(probability), probability.device
        self._utterances = torch.arange(n, device=device)
        self._sums, self._counts = torch.zeros(n, device=device), torch.zeros(n, device=device)
        self.add(probability, self._utterances)

    def add(self, probability: Tensor, beam_indices: Tensor, is_open: Tensor | None = None) -> None:
        """Count a further step: the probability (R,) lost by rows that continue ``beam_indices`` (R,).

        Rows that are not ``is_open``, R numbers in any shape, are not counted.
        """
        self._utterances = self._utterances[beam_indices]
        counted = torch.ones_like(probability) if is_open is None else is_open.reshape(-1).to(probability)
        self._sums.index_add_(0, self._utterances, probability * counted)
        self._counts.index_add_(0, self._utterances, counted)

    @property
    def per_utterance(self) -> list[float]:
        """The mean over the rows and steps of each utterance."""
        means: list[float] = (self._sums / self._counts).tolist()
        return means

    @property
    def mean(self) -> float:
        """The mean over all rows and steps."""
        return float(self._sums.sum() / self._counts.sum())


@dataclass
class MappedScorer:
    """A scorer in the vocabulary of others: its distribution is restricted to their tokens and renormalized.

    Attributes:
        inner: the scorer in its own vocabulary.
        target: the vocabulary that it is mapped to, of V tokens.
        ids: (V,) its own id of every token of the target, -1 where it has none; such a token is impossible.
        unknown: the token that it reads in the place of one that it lacks.
        lost: the probability that it gave to tokens outside the target.
    """

    inner: TokenScorer
    target: Vocabulary
    ids: Tensor
    unknown: int
    lost: LostProbability = field(default_factory=LostProbability)

    def __post_init__(self) -> None:
        self.name, self.vocabulary, self.limit = self.inner.name, self.target, self.inner.limit
        lacking = self.ids < 0
        self._lacking, self._present_ids = on_each_device(lacking), on_each_device(self.ids.clamp(min=0))
        self._read_ids = on_each_device(torch.where(lacking, self.unknown, self.ids))
        self._move: RowTransition | None = None
        own_eos = self.inner.vocabulary.eos
        self._own_eos = on_each_device(torch.tensor(own_eos)) if len(own_eos) > 1 else None
        self._ends = on_each_device(torch.tensor(self.target.eos))

    def prefill(self) -> Tensor:
        """Return scores (N, V) of the first token."""
        scores, lost = self._restrict(self.inner.prefill())
        self.lost.start(lost)
        return scores

    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Score (R, V) the next token; row r continues row ``beam_indices[r]`` by ``tokens[r]``."""
        own = self._read_ids(tokens.device)[tokens]
        return self._count_lost(self.inner.step(beam_indices, own), beam_indices)

    def _count_lost(self, scores: Tensor, beam_indices: Tensor) -> Tensor:
        log_probs, lost = self._restrict(scores)
        move, self._move = self._move, None
        self.lost.add(lost, beam_indices, None if move is None else move.is_open)
        return log_probs

    def prepare_step(self, move: RowTransition) -> None:
        """See :class:`components.decoding.moves.FollowsMoves`."""
        self._move = move
        prepare_step(self.inner, move)

    def _restrict(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Renormalized log-probabilities (R, V) of the target's tokens, and the lost probability (R,)."""
        present, lacking = self._present_ids(scores.device), self._lacking(scores.device)
        own = torch.log_softmax(scores, dim=-1)
        log_probs = own[:, present].masked_fill_(lacking, -torch.inf)
        if self._own_eos is not None:  # whichever of them a member ends with, it ends
            ends = own[:, self._own_eos(scores.device)].logsumexp(dim=-1)
            log_probs[:, self._ends(scores.device)] = ends[:, None]
        total = log_probs.logsumexp(dim=-1, keepdim=True)
        return log_probs - total, (1 - total.exp()).clamp(min=0)[:, 0]


def map_scorer(
    inner: TokenScorer, own: Lexicon, target: Lexicon, ids: Sequence[int] | None = None
) -> TokenScorer:
    """Map a scorer to another vocabulary; it is returned unchanged where the two are the same.

    Args:
        inner: the scorer.
        own: the lexicon of its vocabulary.
        target: the lexicon of the vocabulary that it is mapped to.
        ids: its id of every token of the target, -1 where it has none; by default found by text.

    Raises:
        ConfigError: it cannot end a sequence in the target.
    """
    if own.vocabulary == target.vocabulary:
        return inner
    ids = map_ids(target, own) if ids is None else ids
    if all(ids[token] < 0 for token in target.vocabulary.eos):
        raise ConfigError(f"{inner.name}: expected an end of sequence that the target shares, found none")
    unknown = own.unknown if own.unknown is not None else own.vocabulary.eos[0]
    return MappedScorer(inner, target.vocabulary, torch.tensor(ids), unknown)
