"""What a server counts, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from components.records import NodeOutcome, Quarantined, Route

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Measures:
    """The counters of one server."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter("antiphon_requests", "answers", ["endpoint", "status"], registry=registry)
        self.seconds = Histogram(
            "antiphon_request_seconds",
            "from headers to answer",
            ["endpoint"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.audio = Counter("antiphon_audio_seconds", "speech that was answered", registry=registry)
        self.in_flight = Gauge(
            "antiphon_requests_in_flight", "requests that are read or computed", registry=registry
        )
        self._batches = Histogram(
            "antiphon_batch_items", "requests in one batch", ["node"], buckets=_SIZES, registry=registry
        )
        self._node_seconds = Histogram(
            "antiphon_node_seconds", "of computing an item", ["node"], buckets=_SECONDS, registry=registry
        )
        self._routes = Counter(
            "antiphon_routes", "ways that requests were sent", ["node", "branch"], registry=registry
        )
        self._quarantined = Counter(
            "antiphon_quarantined", "what a node could not process", ["node", "reason"], registry=registry
        )
        self.kept = Counter("antiphon_kept_requests", "requests kept as data", registry=registry)
        self.shadow = Counter(
            "antiphon_shadow_requests", "requests of the shadow", ["outcome"], registry=registry
        )

    def count_request(self, endpoint: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self.requests.labels(endpoint, str(status)).inc()
        self.seconds.labels(endpoint).observe(seconds)

    def count_batch(self, node: str, size: int) -> None:
        """Count a batch."""
        self._batches.labels(node).observe(size)

    def count_item(self, node: str, outcome: NodeOutcome | None, seconds: float) -> None:
        """Count what a node gave for an item."""
        self._node_seconds.labels(node).observe(seconds)
        if isinstance(outcome, Route):
            self._routes.labels(node, outcome.branch).inc()
        elif isinstance(outcome, Quarantined):
            self._quarantined.labels(node, outcome.reason).inc()

    def watch_queues(self, lengths: Callable[[], Mapping[str, int]]) -> None:
        """Show how many items wait at each node."""
        self._registry.register(_Queues(lengths))

    def render(self) -> bytes:
        """Return everything as Prometheus's text."""
        return generate_latest(self._registry)


class _Queues:
    def __init__(self, lengths: Callable[[], Mapping[str, int]]) -> None:
        self._lengths = lengths

    def collect(self) -> list[Metric]:
        family = GaugeMetricFamily("antiphon_queue_items", "items that wait at a node", labels=["node"])
        for node, length in self._lengths().items():
            family.add_metric([node], length)
        return [family]
