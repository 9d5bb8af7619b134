"""The analysis ``routing``: how the routers of a model with experts route a data set."""

from __future__ import annotations

from pathlib import Path

from typing_extensions import override

from components.analysis.analysis import Computed
from components.analysis.table import Table
from components.experts import routing_stats
from components.experts.contribution_analysis import ExpertsAnalysis, ExpertsRequest
from components.experts.routing_plots import plot_routing
from components.experts.routing_stats import LayerRoutingStats
from components.records import Record
from components.storage.store import Store

ROUTING, PLOT = "routing.jsonl", "routing.png"


class RoutedLayer(LayerRoutingStats):
    """The routing statistics of a layer, with its name."""

    name: str


class RoutedLayers(Record):
    """The routing statistics of a model's layers."""

    layers: tuple[RoutedLayer, ...]

    def by_name(self) -> dict[str, LayerRoutingStats]:
        """Return the statistics by layer."""
        return {layer.name: layer for layer in self.layers}


class ExpertRouting(ExpertsAnalysis[RoutedLayers]):
    """Forces the references of a data set through a model and records its routing, by utterance and layer."""

    kind, file, record = "routing", "layers.json", RoutedLayers
    noun, remedy = "routing statistics", "run experts again"
    version = "routing/2"
    libraries = ("torch", "transformers", "sentencepiece", "sacrebleu")

    @override
    def compute(self, request: ExpertsRequest, store: Store, folder: Path) -> Computed[RoutedLayers]:
        samples, model, tokenizer = request.load(store)
        counters = routing_stats.empty_stats_of(model, request.targets)
        records = list(routing_stats.observe_routing(model, tokenizer, samples, counters))
        layers = counters.summarize()
        lines = "".join(record.model_dump_json() + "\n" for record in records)
        (folder / ROUTING).write_text(lines, encoding="utf-8")
        plot_routing(layers, folder / PLOT)
        named = (
            RoutedLayer.model_validate({"name": name, **layer.model_dump()}) for name, layer in layers.items()
        )
        return Computed(RoutedLayers(layers=tuple(named)), len(records), [ROUTING, PLOT])

    @override
    def tables(self, findings: RoutedLayers) -> list[Table]:
        return []


EXPERT_ROUTING = ExpertRouting()
