"""Components that go on with a text whose beginning is written, while their input still grows."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from components.nodes.node_context import Component, Item
from components.records import Outcome


class Attended(NamedTuple):
    """Where a model looked in its input when it wrote a token.

    Attributes:
        end: characters of the text up to the token's end.
        position: seconds of sound, or characters of the text that it reads up to the end of a token there.
    """

    end: int
    position: float


class Continued(NamedTuple):
    """What a component makes of a prefix of its input.

    Attributes:
        outcome: its texts, which begin with what was written where its search can be forced to.
        attended: of the tokens of the best text, in order, where that was asked for.
    """

    outcome: Outcome
    attended: tuple[Attended, ...] = ()


GoOn = Callable[[Item, str, bool], Continued]
"""An item, the text that is written of it, whether to say what was attended to. ConfigError: it cannot."""


def continuation_of(component: Component) -> GoOn | None:
    """Return how a component goes on with a text; None: it only begins."""
    found: GoOn | None = getattr(component, "go_on", None)
    return found
