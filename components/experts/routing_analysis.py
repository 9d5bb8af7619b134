"""The analysis ``routing``: how the routers of a model with experts route a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from typing_extensions import override

from components import models
from components.analysis.analysis import Analysis, Computed
from components.analysis.table import Table
from components.compute.device import pick_device
from components.experts import routing_stats
from components.experts.contribution_analysis import ExpertsRequest
from components.experts.routing_plots import plot_routing
from components.experts.routing_stats import LayerRoutingStats, UtteranceRouting
from components.experts.sample_batches import list_samples
from components.models.loaders.loading import load_transformers
from components.records import Record
from components.storage.stages.stage_plan import StagePlan, library_versions, upstream_of
from components.storage.store import Store

LIBRARIES = ("torch", "transformers", "sentencepiece", "sacrebleu")
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


class ExpertRouting(Analysis[ExpertsRequest, RoutedLayers]):
    """Forces the references of a data set through a model and records its routing, by utterance and layer."""

    kind, file, record = "routing", "layers.json", RoutedLayers
    noun, remedy = "routing statistics", "run experts again"

    @override
    def plan(self, request: ExpertsRequest, store: Store) -> StagePlan:
        return StagePlan(
            stage=self.kind,
            kind=self.kind,
            version="routing/2",
            parameters=request.keyed,
            upstream=upstream_of(request.trained),
            inputs=request.corpus.digests,
            libraries=library_versions(LIBRARIES),
        )

    @override
    def device(self, request: ExpertsRequest) -> str:
        return request.device

    @override
    def compute(self, request: ExpertsRequest, store: Store, folder: Path) -> Computed[RoutedLayers]:
        samples = list_samples(request.corpus.pairs)
        checkpoint = models.resolve(f"store:{request.trained.key}", str(store.root))
        model, tokenizer = load_transformers(checkpoint, "seq2seq", pick_device(request.device))
        counters = routing_stats.empty_stats_of(model, request.targets)
        records = list(routing_stats.observe_routing(model, tokenizer, samples, counters))
        layers = counters.summarize()
        _write_records(folder / ROUTING, records)
        plot_routing(layers, folder / PLOT)
        named = (
            RoutedLayer.model_validate({"name": name, **layer.model_dump()}) for name, layer in layers.items()
        )
        return Computed(RoutedLayers(layers=tuple(named)), len(records), [ROUTING, PLOT])

    @override
    def tables(self, found: RoutedLayers) -> list[Table]:
        return []


EXPERT_ROUTING = ExpertRouting()


def _write_records(path: Path, records: Sequence[UtteranceRouting]) -> None:
    path.write_text("".join(record.model_dump_json() + "\n" for record in records), encoding="utf-8")
