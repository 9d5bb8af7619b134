"""A smaller model that proposes tokens to the greedy search of another (:mod:`.speculative`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.decoding.searches.speculative import Draft, require_draft_vocabulary
from components.errors import ConfigError


@dataclass(frozen=True)
class DraftModel:
    """A loaded model that proposes, and how many tokens; see :class:`.speculative.Draft`."""

    model: Any
    n_tokens: int

    def build(self, *args: Any, **inputs: Any) -> Draft:
        """Return what it proposes for a batch: the arguments are those of its ``build_scorer``."""
        return Draft(self.model.build_scorer(*args, **inputs), self.n_tokens)


def draft_for(target: Any, draft: Any, n_tokens: int, names: tuple[str, str]) -> DraftModel:
    """Wrap a loaded model that proposes ``n_tokens`` at a time; ``names``: of the target, and its own.

    Raises:
        ConfigError: They differ in vocabulary, or the draft has fewer positions.
    """
    name, own = names
    require_draft_vocabulary(name, target.vocabulary, own, draft.vocabulary)
    if draft.positions < target.positions:
        raise ConfigError(
            f"draft: expected at least the {target.positions} positions of {name}, found "
            f"{draft.positions} of {own}"
        )
    return DraftModel(draft, n_tokens)
