"""Sessions of components, step by step to their end."""

from __future__ import annotations

from typing import NamedTuple

from components.nodes.sessions import Session
from components.records import NodeOutcome


class Steps(NamedTuple):
    """What a session gave by key, in which order, and how the text of one key began before each step."""

    outcomes: dict[int, NodeOutcome]
    ended: list[int]
    begun: list[str]


def take_steps(session: Session, watched: int) -> Steps:
    """Take steps until nothing is at work; ``watched`` is the key whose beginnings are kept."""
    steps = Steps({}, [], [])
    while session.keys:
        if watched in session.keys:
            steps.begun.append(session.begun(watched))
        finished = session.step()
        steps.ended.extend(finished)
        steps.outcomes.update(finished)
    return steps
