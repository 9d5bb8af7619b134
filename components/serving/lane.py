"""What computes the nodes of one device: batches whole, or step by step where a component can."""

from __future__ import annotations

import logging
import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from components.errors import AntiphonError
from components.files.fault_reports import explain_faults
from components.nodes.node_context import Item
from components.nodes.sessions import Session, open_session
from components.pipeline.items.item_gatherer import check_outcomes
from components.records import NodeOutcome
from components.serving.graph import LIGHT, ServedNode
from components.serving.requests import GraphRequest

_log = logging.getLogger("antiphon.serving")


@dataclass(frozen=True, eq=False)
class Work:
    """An item of a request at a node; ``since`` when it came, by the monotonic clock."""

    request: GraphRequest
    item: Item
    since: float = field(default_factory=time.monotonic)

    @property
    def speech(self) -> float:
        """Seconds of its recording."""
        return self.item.utterance.audio.seconds if self.item.utterance.audio else 0.0


class Done(NamedTuple):
    """What a node gave for an item (None: it dropped it), or the error that it failed with."""

    work: Work
    outcome: NodeOutcome | None
    seconds: float
    error: BaseException | None = None


class _Counted:
    """A session of a component, and the works at it by its keys; when each was admitted."""

    def __init__(self, session: Session | None) -> None:
        assert session is not None
        self.session = session
        self.works: dict[int, tuple[Work, float]] = {}
        self._keys = count()

    def admit(self, work: Work) -> None:
        key = next(self._keys)
        self.works[key] = work, time.monotonic()
        self.session.admit(key, work.item)

    def tell_begun(self, node: str, finished: Container[int]) -> None:
        """Tell those who wait for the beginnings of texts that are not finished."""
        for key, (work, _) in self.works.items():
            if key not in finished and work.request.is_followed(node):
                work.request.tell(self.session.begun(key))

    def drop_cancelled(self) -> None:
        for key in [key for key, (work, _) in self.works.items() if work.request.is_cancelled]:
            del self.works[key]
            self.session.drop(key)


class Lane:
    """The nodes that compute on one device, one batch at a time.

    Args:
        nodes: what is downstream first.
        threads: of torch.
    """

    def __init__(self, nodes: Sequence[ServedNode], threads: int) -> None:
        self.nodes = nodes
        self.is_light = all(node.lane == LIGHT for node in nodes)
        self._threads = threads
        sessions = ((node.name, open_session(node.component)) for node in nodes)
        self._sessions = {name: _Counted(session) for name, session in sessions if session is not None}

    def at_work(self, node: ServedNode) -> list[Work]:
        """Return the items of a node that are computed step by step, and not finished."""
        counted = self._sessions.get(node.name)
        return [work for work, _ in counted.works.values()] if counted else []

    def compute(self, node: ServedNode, works: Sequence[Work]) -> Iterator[Done]:
        """Compute a batch, or admit it to what is at work and compute a step; yield what is finished."""
        counted = self._sessions.get(node.name)
        return self._compute_whole(node, works) if counted is None else self._step(counted, node, works)

    def _step(self, counted: _Counted, node: ServedNode, works: Sequence[Work]) -> Iterator[Done]:
        try:
            with explain_faults(node.name), node.on_device(self._threads):
                counted.drop_cancelled()
                for work in works:
                    counted.admit(work)
                finished = counted.session.step()
                counted.tell_begun(node.name, finished)
        except Exception as error:
            together = list(dict.fromkeys([*(work for work, _ in counted.works.values()), *works]))
            self._sessions[node.name] = _Counted(open_session(node.component))  # this one may be of no use
            _log_fault(node, error, len(together))
            yield from self._compute_alone(node, together)
            return
        for key, outcome in finished.items():
            work, began = counted.works.pop(key)
            yield Done(work, outcome, time.monotonic() - began)

    def _compute_whole(self, node: ServedNode, works: Sequence[Work]) -> Iterator[Done]:
        began = time.monotonic()
        items = [work.item for work in works]
        try:
            with explain_faults(node.name, items), node.on_device(self._threads):
                answer = node.component(items)
                outcomes = check_outcomes(node.name, items, answer, may_drop=node.node.facts.may_drop)
        except Exception as error:
            _log_fault(node, error, len(works))
            if len(works) == 1:
                yield Done(works[0], None, time.monotonic() - began, error)
            else:
                yield from self._compute_alone(node, works)
            return
        seconds = time.monotonic() - began
        yield from (Done(work, outcome, seconds) for work, outcome in zip(works, outcomes, strict=True))

    def _compute_alone(self, node: ServedNode, works: Sequence[Work]) -> Iterator[Done]:
        """Compute each item of a batch that failed alone, so that one of them spoils no other's request."""
        for work in works:
            yield from self._compute_whole(node, [work])


def _log_fault(node: ServedNode, error: Exception, count: int) -> None:
    known = isinstance(error, AntiphonError)
    _log.error("%s: %d items: %s", node.name, count, error, exc_info=None if known else error)
