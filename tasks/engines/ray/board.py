"""The actor beside Ray's driver at which workers tell what they do."""

from __future__ import annotations

from collections import Counter

from tasks.engines.ray.messages import Event

MAX_ATTEMPTS = 3
"""Processes that a shard may cost before its node fails."""


class Board:
    """What the workers of a job have done since the last look, and how often they have begun a shard."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._attempts: Counter[tuple[str, int]] = Counter()
        self._at_work: dict[tuple[str, int], str] = {}
        self._is_halted = False

    def begin(self, node: str, number: int, machine: str) -> str:
        """Note that a worker wants to compute a shard; return ``go``, ``halt`` or ``fail``.

        Args:
            node: the shard's.
            number: the shard's.
            machine: Ray's name of the worker's machine.
        """
        if self._is_halted:
            return "halt"
        shard = (node, number)
        self._attempts[shard] += 1
        if self._attempts[shard] > MAX_ATTEMPTS:
            return "fail"
        self._at_work[shard] = machine
        return "go"

    def tell(self, event: Event) -> None:
        """Note what a worker has done."""
        self._at_work.pop((event.node, event.number), None)
        self._events.append(event)

    def take(self) -> tuple[list[Event], set[str]]:
        """Return what was noted since the last call, and the machines of workers that compute."""
        events, self._events = self._events, []
        return events, set(self._at_work.values())

    def halt(self) -> None:
        """Let nothing new begin."""
        self._is_halted = True
