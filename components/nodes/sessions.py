"""Components that take items while they compute: a long recording does not hold up a short one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from components.extensions import Extensions, accept_any
from components.nodes.node_context import Item
from components.records import NodeOutcome


class Session(Protocol):
    """Items at work, computed step by step; what is admitted between two steps shares the next batches."""

    @property
    def keys(self) -> frozenset[int]:
        """The items at work."""

    def admit(self, key: int, item: Item) -> None:
        """Take an item; ``key`` is that of no other at work."""

    def drop(self, key: int) -> None:
        """Forget an item that nobody waits for."""

    def step(self) -> Mapping[int, NodeOutcome]:
        """Compute one batch; the outcomes of the items that it finished."""

    def begun(self, key: int) -> str:
        """Return the beginning of an item's best text that no further step changes; empty: there is none."""


SESSIONS: Extensions[Any] = Extensions("antiphon.sessions", "session", accept_any)
"""Of models that decode step by step; a server imports them."""


def open_session(component: object) -> Session | None:
    """Return a session of a component, or its model, that has some; None of what computes batches whole."""
    opener = getattr(component, "open_session", None)
    session: Session | None = None if opener is None else opener()
    return session
