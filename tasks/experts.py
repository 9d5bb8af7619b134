"""The stages of an expert model: its training, what its routers do, and its scores by language."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from components import data, metrics, models
from components.device import pick_device
from components.experts import multilingual, telemetry
from components.experts.config import ExpertsConfig
from components.experts.learner import VERSION, MultilingualLearner
from components.experts.telemetry import LayerTelemetry, Sample, UtteranceRouting
from components.files import read_json, write_json
from components.metrics.translation import translation_scores
from components.models.loading import load_transformers
from components.models.weights import weights_of
from components.profiling import measure_cost
from components.records import Checkpoint, NBest, Score, StageRef
from components.storage.stage_plan import StagePlan, library_versions, read_by
from components.storage.stage_writer import opened
from components.storage.store import Store
from components.training import loop, starting
from components.translation import factory
from components.translation.config import TranslationConfig
from components.translation.translator import Translator
from reports.experts import routing as draw
from tasks.artifacts import publish_plots
from tasks.options import NOT_STORED, shown
from tasks.slots import device_slot
from tasks.training import LIBRARIES, made

ROUTING, LAYERS, PLOT, SCORES = "routing.jsonl", "layers.json", "routing.png", "scores.json"


def plan_of(config: ExpertsConfig, store_url: str | None) -> StagePlan:
    """What decides the model. Reads the data, trains nothing."""
    left_out = {"data", "dev", "seed", "device", "start", "tokenizer"}
    inputs = {
        f"{name}.{language}": digest
        for name, source, limit in (("data", config.data, config.limit), ("dev", config.dev, None))
        for language, digest in multilingual.read(
            source, config.source_language, config.targets, limit
        ).digests.items()
    }
    begins = starting.references(config, store_url)
    return StagePlan(
        stage="training",
        version=f"experts/{VERSION}/{loop.VERSION}",
        parameters=config.model_dump(mode="json", exclude=left_out),
        inputs=inputs,
        weights=weights_of(**begins),
        seed=config.seed,
        libraries=library_versions(LIBRARIES),
        models={role: checkpoint.reference for role, checkpoint in begins.items()},
    )


@task(name="training", **NOT_STORED)
def train(config: ExpertsConfig, store_url: str | None) -> StageRef | State[StageRef]:
    """Train the model, or go on from the last checkpoint of an interrupted run; a finished one is reused."""
    make = partial(MultilingualLearner, store=store_url)
    plan_now = partial(plan_of, config, store_url)
    return shown(made(config, plan_now, make, MultilingualLearner.score_name, store_url))


def _model(trained: StageRef, store_url: str | None) -> Checkpoint:
    return models.resolve(f"store:{trained.key}", str(Store(store_url).root))


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
    with opened(Store(store_url), plan, records=False) as writer:
        ref = writer.ref
        if ref is None:
            with measure_cost() as cost:
                model, tokenizer = load_transformers(_model(trained, store_url), "seq2seq")
                counters = telemetry.telemetry_of(model, config.targets)
                records = list(telemetry.observe(model, tokenizer, samples, counters))
            _write(writer.path, records, counters.result())
            writer.seconds, writer.peak_memory_bytes = cost.seconds, cost.peak_memory_bytes
            ref = writer.seal([ROUTING, LAYERS, PLOT], items=len(records))
    publish_plots([Path(ref.path) / PLOT])
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


@task(name="scores", **NOT_STORED)
def score(
    config: ExpertsConfig,
    trained: StageRef,
    mt: TranslationConfig,
    source: str,
    limit: int | None,
    store_url: str | None,
) -> StageRef | State[StageRef]:
    """BLEU, chrF and TER of every target language (``bleu_de``, ...), translated by our decoder."""
    found = {t: data.load(source, source_language=config.source_language, target_language=t, limit=limit)
             for t in config.targets}  # fmt: skip
    plan = StagePlan(
        stage="scores",
        version=f"experts-scores/{Translator.version} metrics/{metrics.version}",
        parameters=mt.model_dump(mode="json", exclude={"device", "model"})
        | {"device": pick_device(mt.device).type},
        upstream=read_by(trained),
        inputs={t: dataset.digest for t, dataset in found.items()},
        libraries=library_versions(LIBRARIES),
    )
    with opened(Store(store_url), plan, records=False) as writer:
        ref = writer.ref
        if ref is None:
            scores: dict[str, Score] = {}
            with device_slot(mt.device), measure_cost() as cost:
                setting = mt.model_copy(update={"model": f"store:{trained.key}"})
                translator = factory.build(setting, str(Store(store_url).root))
                for language, dataset in found.items():
                    asked = [u.model_copy(update={"target_language": language}) for u in dataset.utterances]
                    outcomes = translator.translate(asked)
                    texts = {o.utterance_id: o.best.text for o in outcomes if isinstance(o, NBest)}
                    references = {u.id: u.references for u in asked if u.id in texts}
                    n_total = len(dataset.utterances) + len(dataset.quarantined)
                    for name, one in translation_scores(
                        references, texts, language=language, n_total=n_total
                    ).items():
                        key = f"{name}_{language}"
                        scores[key] = one.model_copy(update={"name": key})
            write_json(writer.path / SCORES, {k: v.model_dump(mode="json") for k, v in scores.items()})
            writer.seconds, writer.peak_memory_bytes = cost.seconds, cost.peak_memory_bytes
            ref = writer.seal([SCORES], items=sum(len(d.utterances) for d in found.values()))
    return shown(ref)
