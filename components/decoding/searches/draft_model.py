"""A smaller model that proposes tokens to the greedy search of another (:mod:`.speculative`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.decoding.searches.speculative import Draft


@dataclass(frozen=True)
class DraftModel:
    """A loaded model that proposes, and how many tokens; see :class:`Draft`."""

    model: Any
    n_tokens: int

    def build(self, *args: Any, **inputs: Any) -> Draft:
        """What it proposes for a batch: the arguments are those of its ``build_scorer``."""
        return Draft(self.model.build_scorer(*args, **inputs), self.n_tokens)
