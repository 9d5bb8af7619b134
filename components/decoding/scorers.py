"""The interface between the search and a model: next-token scores, and caches that follow the beam.

Letters in shapes: N utterances, R rows (the open hypotheses of all utterances), V tokens of the vocabulary,
t tokens of one call.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from components.errors import ConfigError


@dataclass(frozen=True)
class Vocabulary:
    """The output tokens of a scorer. Scorers can be mixed token by token only if their digests agree.

    Attributes:
        size: width V of the scores.
        eos: every token that ends a sequence.
        pad: the token that fills up batches.
        digest: sha256 (hex) of the pieces in order; two vocabularies of equal size need not be equal.
    """

    size: int
    eos: tuple[int, ...]
    pad: int
    digest: str

    def mark_eos(self, device: torch.device) -> Tensor:
        """Return which tokens end a sequence (V,)."""
        is_eos = torch.zeros(self.size, dtype=torch.bool)
        is_eos[list(self.eos)] = True
        return is_eos.to(device)


@runtime_checkable
class TokenScorer(Protocol):
    """A model with N prepared utterances that is decoded step by step.

    A scorer serves one search: :meth:`prefill` once, then :meth:`step` for every further token. Scores are
    log-probabilities (nats, float32) up to a constant per row: logits, or what is normalized already.

    Attributes:
        name: the model, as error messages name it.
        vocabulary: its output tokens.
        limit: the largest number of generated tokens, eos included, that it has positions for.
    """

    name: str
    vocabulary: Vocabulary
    limit: int

    def prefill(self) -> Tensor:
        """Run what comes before the first generated token.

        Returns:
            Scores of the first generated token, (N, V).
        """

    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Append one token to every row.

        Args:
            beam_indices: LongTensor (R,): row r continues row ``beam_indices[r]`` of the step before. Rows
                may be repeated, reordered or left out, and every cache follows; rows of one utterance stay
                adjacent, and utterances in order.
            tokens: LongTensor (R,): the token that each row takes.

        Returns:
            Scores of the next token, (R, V).
        """


@runtime_checkable
class MultiTokenScorer(Protocol):
    """A scorer that takes several tokens in one pass: cheaper where an ensemble skips it for some steps."""

    def step_many(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Append ``tokens`` (R, t) to every row; otherwise as :meth:`TokenScorer.step`.

        Returns:
            Scores after the last of them, (R, V).
        """


@runtime_checkable
class SequenceScorer(TokenScorer, Protocol):
    """A scorer that scores every one of several known tokens in one pass."""

    def score_tokens(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Append ``tokens`` (R, t) to every row, as :meth:`MultiTokenScorer.step_many`.

        Returns:
            Scores after every one of them, (R, t, V).
        """


@runtime_checkable
class RetractableScorer(SequenceScorer, MultiTokenScorer, Protocol):
    """A scorer that can forget tokens again, so that they may be proposed before they are known.

    Attributes:
        is_ragged: whether rows may forget different numbers of tokens, and so differ in length.
    """

    is_ragged: bool

    def retract(self, counts: Tensor) -> None:
        """Forget the last ``counts[r]`` tokens (R,) of every row; equal counts unless it is ragged."""


@runtime_checkable
class PrefixScorer(TokenScorer, Protocol):
    """A scorer that reads rows from their beginning, whatever it has read before."""

    def score_prefixes(self, utterances: Tensor, tokens: Tensor) -> Tensor:
        """Score (R, V) after ``tokens`` (R, t) of utterances (R,), any of those it was prepared for.

        Not together with :meth:`TokenScorer.step`, which forgets utterances that have ended.
        """


def as_retractable(scorer: TokenScorer) -> RetractableScorer:
    """Return the scorer, if it can retract; else a ConfigError."""
    if isinstance(scorer, RetractableScorer):
        return scorer
    raise ConfigError(
        f"draft: expected models that can forget tokens, found {scorer.name}, which cannot: leave draft out"
    )


def hide_last(visible: Tensor, counts: Tensor) -> Tensor:
    """Hide the last ``counts[r]`` positions that row r of ``visible`` (R, P), booleans, still shows."""
    from_the_end = visible.flip(1).cumsum(dim=1).flip(1)
    return visible & (from_the_end > counts[:, None])


def common_count(counts: Tensor) -> int:
    """Return the number of tokens that rows forget which are not ragged: they all forget as many."""
    least, most = int(counts.min()), int(counts.max())
    if least != most:
        raise ValueError(f"expected rows that retract equally, found {counts.tolist()}")
    return least


def require_same_vocabulary(vocabularies: Sequence[tuple[str, Vocabulary]]) -> None:
    """Check that several models can be mixed token by token.

    Args:
        vocabularies: name and vocabulary of every model; at least one.

    Raises:
        ConfigError: There is none, or one has other tokens or other special tokens than the first.
    """
    if not vocabularies:
        raise ConfigError("expected at least one model to search with, found none")
    (name, first), *others = vocabularies
    for other, vocabulary in others:
        if (vocabulary.size, vocabulary.digest) != (first.size, first.digest):
            raise ConfigError(
                f"expected members of one vocabulary, found {other} ({vocabulary.size} tokens, digest "
                f"{vocabulary.digest[:12]}) beside {name} ({first.size}, {first.digest[:12]}): set "
                "combine.vocabulary to intersection or union, or combine their finished outputs instead"
            )
        if (vocabulary.eos, vocabulary.pad) != (first.eos, first.pad):
            raise ConfigError(
                f"expected members of one set of special tokens, found {other} with eos {vocabulary.eos} and "
                f"pad {vocabulary.pad} beside {name} with eos {first.eos} and pad {first.pad}: set the same "
                "ones in their generation settings"
            )


def digest_of(pieces: Mapping[str, int]) -> str:
    """Sha256 (hex) of a vocabulary given as piece -> id."""
    ordered = sorted(pieces.items(), key=lambda item: (item[1], item[0]))
    text = "\n".join(f"{index}\t{piece}" for piece, index in ordered)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
