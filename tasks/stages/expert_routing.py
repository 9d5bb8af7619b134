"""The ``routing`` stage: how the routers of a model with experts route a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from components import models
from components.compute.device import pick_device
from components.compute.machine import device_for_key
from components.compute.profiling import measure_card
from components.experts import multilingual, routing_stats
from components.experts.config import ExpertsConfig
from components.experts.routing_plots import plot_routing as draw
from components.experts.routing_stats import LayerRoutingStats, UtteranceRouting
from components.experts.sample_batches import Sample
from components.files.files import read_json, write_json
from components.models.loaders.loading import load_transformers
from components.run_record import StageRef
from components.storage.stages.stage_plan import StagePlan, library_versions, upstream_of
from components.storage.stages.whole_stage import Product, compute_once
from components.storage.store import Store
from tasks.artifacts import publish_extras
from tasks.gpu_lock import lock_device
from tasks.task_options import NOT_STORED, as_prefect_state

LIBRARIES = ("torch", "transformers", "sentencepiece", "sacrebleu")
ROUTING, LAYERS, PLOT = "routing.jsonl", "layers.json", "routing.png"


@task(name="routing", **NOT_STORED)
def record_routing(
    config: ExpertsConfig, trained: StageRef, source: str, limit: int | None, store_url: str | None
) -> StageRef | State[StageRef]:
    """Force a data set's references through the model and record its routing, per utterance and layer."""
    corpus = multilingual.read(source, config.source_language, config.targets, limit)
    plan = StagePlan(
        stage="routing",
        version="routing/2",
        parameters={"languages": list(config.targets), "limit": limit, **device_for_key(config.device)},
        upstream=upstream_of(trained),
        inputs=corpus.digests,
        libraries=library_versions(LIBRARIES),
    )
    samples = [
        Sample(f"{language}-{number:06d}", language, *pair)
        for language, rows in corpus.pairs.items()
        for number, pair in enumerate(rows, 1)
    ]

    def work(folder: Path) -> Product:
        checkpoint = models.resolve(f"store:{trained.key}", str(Store(store_url).root))
        with lock_device(config.device, alone=True), measure_card(config.device):
            model, tokenizer = load_transformers(checkpoint, "seq2seq", pick_device(config.device))
            counters = routing_stats.empty_stats_of(model, config.targets)
            records = list(routing_stats.observe_routing(model, tokenizer, samples, counters))
        _write_routing(folder, records, counters.summarize())
        return Product([ROUTING, LAYERS, PLOT], items=len(records))

    ref = compute_once(Store(store_url), plan, work)
    publish_extras(ref)
    return as_prefect_state(ref)


def _write_routing(
    folder: Path, records: Sequence[UtteranceRouting], layers: dict[str, LayerRoutingStats]
) -> None:
    lines = "".join(record.model_dump_json() + "\n" for record in records)
    (folder / ROUTING).write_text(lines, encoding="utf-8")
    rows = [{"name": name, **layer.model_dump(mode="json")} for name, layer in layers.items()]
    write_json(folder / LAYERS, {"layers": rows})
    draw(layers, folder / PLOT)


def read_layers(ref: StageRef) -> dict[str, LayerRoutingStats]:
    """Return the routing statistics of a ``routing`` stage, by layer."""
    rows = read_json(Path(ref.path) / LAYERS)["layers"]
    return {row.pop("name"): LayerRoutingStats.model_validate(row) for row in rows}
