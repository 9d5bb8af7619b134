"""The members of one search, advanced together and mixed into one distribution."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.combine import Combiner
from components.decoding.members import Member, Vocabulary
from components.errors import ConfigError, ModelError


class Panel:
    """Runs the active members in step and keeps what each of them said about the present token."""

    def __init__(self, members: Sequence[Member], combine: Combiner) -> None:
        if not members:
            raise ConfigError("expected at least one member to search over, found none")
        first = members[0]
        for member in members[1:]:
            if member.vocabulary != first.vocabulary:
                raise ConfigError(
                    f"expected members of one vocabulary, found {member.name} ({member.vocabulary.size}, "
                    f"{member.vocabulary.digest[:12]}) beside {first.name} ({first.vocabulary.size}, "
                    f"{first.vocabulary.digest[:12]}): combine their texts instead"
                )
        self._combine = combine
        self._members = [members[index] for index in combine.active(len(members))]
        self.vocabulary: Vocabulary = first.vocabulary
        self.names = tuple(member.name for member in self._members)
        self.limit = min(member.limit for member in self._members)
        self._each: list[Tensor] = []

    def begin(self) -> Tensor:
        """Combined log-probabilities (N, V) of the first token."""
        self._each = [member.begin() for member in self._members]
        shapes = {tuple(each.shape) for each in self._each}
        if len(shapes) > 1:
            raise ConfigError(
                f"expected members prepared for the same utterances, found shapes {sorted(shapes)}"
            )
        return self._combine(self._each)

    def advance(self, parents: Tensor, tokens: Tensor) -> Tensor:
        """Combined log-probabilities (R, V); see :meth:`Member.advance`."""
        self._each = [member.advance(parents, tokens) for member in self._members]
        return self._combine(self._each)

    def votes(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """What each active member gave ``tokens`` (R', ) at ``rows`` (R', ) of the present step: (M, R')."""
        return torch.stack([each[rows, tokens] for each in self._each])

    def check(self, values: Tensor) -> None:
        """Raise a ModelError that names the member when NaN has reached the chosen values."""
        if not bool(values.isnan().any()):
            return
        bad = [
            name for name, each in zip(self.names, self._each, strict=True) if bool(each.isnan().any())
        ] or list(self.names)
        raise ModelError(
            f"expected finite log-probabilities, found NaN from {', '.join(bad)}: "
            "check its weights, or use float32"
        )
