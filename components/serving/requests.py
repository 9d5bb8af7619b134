"""One request on its way through a graph: what its nodes gave so far, and who waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from components.nodes.node_context import Item
from components.records import NBest, NodeOutcome, Quarantined, Route, Utterance
from components.serving.graph import ServedGraph, ServedNode


class GraphRequest:
    """An utterance, the nodes that it asks for, and what they gave.

    Args:
        graph: the graph.
        utterance: its id is that of no other request.
        output: the role of the text that is asked for; see :attr:`ServedGraph.outputs`.
        on_end: called once, in any thread, when it is finished or has failed.
        on_text: called, in any thread, with the beginning of its text, as far as that will not change.

    Attributes:
        outcomes: node -> what it gave; a node that had nothing to do is not there.
        seconds: node -> wall seconds of the batches that it was in.
        error: why it failed.
        is_cancelled: whether nobody waits for it any more.
        began: when it was made, by the monotonic clock.
    """

    def __init__(
        self,
        graph: ServedGraph,
        utterance: Utterance,
        output: str,
        on_end: Callable[[GraphRequest], object],
        on_text: Callable[[str], object] | None = None,
    ) -> None:
        self.graph, self.utterance, self.output = graph, utterance, output
        self.nodes = graph.nodes_for(output)
        self.outcomes: dict[str, NodeOutcome] = {}
        self.seconds: dict[str, float] = {}
        self.error: BaseException | None = None
        self.is_cancelled = False
        self.began = time.monotonic()
        self._on_end, self._on_text = on_end, on_text
        self._pending = set(self.nodes)
        self._sent: set[str] = set()
        self._lock = threading.Lock()
        self._ended = 0.0

    @property
    def node(self) -> str:
        """The node whose text is asked for."""
        return self.graph.outputs[self.output]

    @property
    def text(self) -> NBest | None:
        """The text that was asked for; None where there is none."""
        outcome = self.outcomes.get(self.node)
        return outcome if isinstance(outcome, NBest) else None

    @property
    def fault(self) -> Quarantined | None:
        """Why there is no text, where a node says it: that of the last node that does."""
        refused = [o for name in self.nodes if isinstance(o := self.outcomes.get(name), Quarantined)]
        return refused[-1] if refused and self.text is None else None

    @property
    def ways(self) -> dict[str, str]:
        """Route -> the branch that it took."""
        return {name: o.branch for name, o in self.outcomes.items() if isinstance(o, Route)}

    @property
    def elapsed(self) -> float:
        """Seconds from when it was made until it ended, or until now."""
        return (self._ended or time.monotonic()) - self.began

    def is_before(self, node: str) -> bool:
        """Return whether a node may still have to compute it."""
        return node in self._pending and not self.is_cancelled

    def is_followed(self, node: str) -> bool:
        """Return whether somebody waits for the beginning of this node's text."""
        return self._on_text is not None and node == self.node and not self.is_cancelled

    def tell(self, begun: str) -> None:
        """Tell who waits for it how the text begins."""
        if begun and self._on_text is not None:
            self._on_text(begun)

    def advance(self) -> Iterator[tuple[ServedNode, Item]]:
        """Yield the nodes that can compute now, each once, with their items; after the last, end."""
        with self._lock:
            ready = []
            for name in self.nodes:
                served = self.graph.nodes[name]
                if name in self._sent or any(followed in self._pending for followed in served.follows):
                    continue
                self._sent.add(name)
                item = served.gather(self.utterance, self.outcomes)
                if item is None:
                    self._pending.discard(name)
                else:
                    ready.append((served, item))
            ended = not self._pending
        yield from ready
        if ended:
            self.end()

    def take(self, node: str, outcome: NodeOutcome | None, seconds: float) -> None:
        """Note what a node gave."""
        with self._lock:
            if outcome is not None:
                self.outcomes[node] = outcome
            self.seconds[node] = seconds
            self._pending.discard(node)

    def end(self, error: BaseException | None = None) -> None:
        """End it, with its texts or an error; what ended already stays as it is."""
        with self._lock:
            if self._ended:
                return
            self._ended, self.error = time.monotonic(), error
        self._on_end(self)

    def cancel(self) -> None:
        """Let nothing new be computed of it."""
        self.is_cancelled = True
