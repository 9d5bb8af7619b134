"""The ``routing`` stage: what the routers of a model with experts do with a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from components import models
from components.experts import multilingual, telemetry
from components.experts.config import ExpertsConfig
from components.experts.telemetry import LayerTelemetry, Sample, UtteranceRouting
from components.files import read_json, write_json
from components.models.loading import load_transformers
from components.records import StageRef
from components.storage.stage_plan import StagePlan, library_versions, read_by
from components.storage.store import Store
from components.storage.whole_stage import Product, compute_once
from reports.experts import routing as draw
from tasks.artifacts import publish_extras
from tasks.options import NOT_STORED, shown

LIBRARIES = ("torch", "transformers", "sentencepiece", "sacrebleu")
ROUTING, LAYERS, PLOT = "routing.jsonl", "layers.json", "routing.png"


@task(name="routing", **NOT_STORED)
def watch(
    config: ExpertsConfig, trained: StageRef, source: str, limit: int | None, store_url: str | None
) -> StageRef | State[StageRef]:
    """Force a data set through the model and keep what its routers did: per utterance, per layer, drawn."""
    corpus = multilingual.read(source, config.source_language, config.targets, limit)
    plan = StagePlan(
        stage="routing",
        version="routing/1",
        parameters={"languages": list(config.targets), "limit": limit},
        upstream=read_by(trained),
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
        model, tokenizer = load_transformers(checkpoint, "seq2seq")
        counters = telemetry.telemetry_of(model, config.targets)
        records = list(telemetry.observe(model, tokenizer, samples, counters))
        _write(folder, records, counters.result())
        return Product([ROUTING, LAYERS, PLOT], items=len(records))

    ref = compute_once(Store(store_url), plan, work)
    publish_extras(ref)
    return shown(ref)


def _write(folder: Path, records: Sequence[UtteranceRouting], layers: dict[str, LayerTelemetry]) -> None:
    lines = "".join(record.model_dump_json() + "\n" for record in records)
    (folder / ROUTING).write_text(lines, encoding="utf-8")
    rows = [{"name": name, **layer.model_dump(mode="json")} for name, layer in layers.items()]
    write_json(folder / LAYERS, {"layers": rows})
    draw(layers, folder / PLOT)


def read_layers(ref: StageRef) -> dict[str, LayerTelemetry]:
    """What a ``routing`` stage counted, by layer."""
    rows = read_json(Path(ref.path) / LAYERS)["layers"]
    return {row.pop("name"): LayerTelemetry.model_validate(row) for row in rows}
