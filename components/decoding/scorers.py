"""What the search asks of a model: next-token scores and a cache that follows the rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from components.errors import ConfigError


@dataclass(frozen=True)
class Vocabulary:
    """The output tokens of a member. Members are mixed only if their digests agree.

    ``size`` is the width of the log-probabilities, ``eos`` every token that ends a sequence, ``digest``
    a sha256 of the pieces in order: equal size is not equal vocabulary.
    """

    size: int
    eos: tuple[int, ...]
    pad: int
    digest: str


@runtime_checkable
class TokenScorer(Protocol):
    """A model with N prepared utterances, decoded step by step.

    ``limit`` is the largest number of free tokens (eos included) that the model has positions for.
    A member is used for one search: ``begin`` once, then ``advance`` for every further token. Scores are
    log-probabilities (nats, float32) up to a constant per row: logits, or what is normalised already.
    """

    name: str
    vocabulary: Vocabulary
    limit: int

    def prefill(self) -> Tensor:
        """Scores of the first free token, shape (N, V)."""
        ...

    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Scores (R, V) after row r has continued row ``parents[r]`` of the step before.

        ``parents`` and ``tokens`` are LongTensors (R,). Rows of the step before may be repeated, reordered
        or left out; every cache follows. Rows of one utterance stay adjacent and in utterance order.
        """
        ...


@runtime_checkable
class MultiTokenScorer(Protocol):
    """A member that takes several tokens at once, which a gate that skips members makes cheaper."""

    def step_many(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """:meth:`TokenScorer.step` by ``tokens`` (R, t): row r continues ``parents[r]``, then itself."""
        ...


@runtime_checkable
class SequenceScorer(TokenScorer, Protocol):
    """A member that scores every one of several known tokens in one pass."""

    def score_tokens(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """:meth:`MultiTokenScorer.step_many` with the scores after every token, (R, t, V)."""
        ...


def require_same_vocabulary(vocabularies: Sequence[tuple[str, Vocabulary]]) -> None:
    """ConfigError that names the member whose tokens are not the first one's; at least one is needed."""
    if not vocabularies:
        raise ConfigError("expected at least one member to search over, found none")
    (name, first), *others = vocabularies
    for other, vocabulary in others:
        if (vocabulary.size, vocabulary.digest) != (first.size, first.digest):
            raise ConfigError(
                f"expected members of one vocabulary, found {other} ({vocabulary.size} tokens, digest "
                f"{vocabulary.digest[:12]}) beside {name} ({first.size}, {first.digest[:12]}): set "
                "combine.vocabulary to intersection or union, or pool their finished texts instead"
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
