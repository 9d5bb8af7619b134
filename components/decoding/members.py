"""What the search asks of a model: next-token log-probabilities and a cache that follows the rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


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
class Member(Protocol):
    """A model with N prepared utterances, decoded step by step.

    ``limit`` is the largest number of free tokens (eos included) that the model has positions for.
    A member is used for one search: ``begin`` once, then ``advance`` for every further token.
    """

    name: str
    vocabulary: Vocabulary
    limit: int

    def begin(self) -> Tensor:
        """Log-probabilities (nats, float32) of the first free token, shape (N, V)."""
        ...

    def advance(self, parents: Tensor, tokens: Tensor) -> Tensor:
        """Log-probabilities (R, V) after row r has continued row ``parents[r]`` of the step before.

        ``parents`` and ``tokens`` are LongTensors (R,). Rows of the step before may be repeated, reordered
        or left out; every cache follows. Rows of one utterance stay adjacent and in utterance order.
        """
        ...


def digest_of(pieces: Mapping[str, int]) -> str:
    """Sha256 (hex) of a vocabulary given as piece -> id."""
    ordered = sorted(pieces.items(), key=lambda item: (item[1], item[0]))
    text = "\n".join(f"{index}\t{piece}" for piece, index in ordered)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def log_probs_of(logits: Tensor) -> Tensor:
    """Logits (R, V) of any float type -> log-probabilities (R, V) in float32."""
    return torch.log_softmax(logits.float(), dim=-1)
