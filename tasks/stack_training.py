"""Stages that make a stacked model: encoder states, trainings, and the coefficient of late fusion."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from prefect import get_run_logger, task
from prefect.client.schemas.objects import State

from components.device import pick_device
from components.errors import DataError
from components.files import read_json, write_json
from components.models.weights import weights_at
from components.profiling import measure_cost
from components.records import StageRef
from components.stacking import encodings, fusion, loading, pooling, speech
from components.stacking.config import LearnConfig, StackConfig
from components.stacking.learning import SpokenPair, StackLearner
from components.stacking.model import Kind
from components.stacking.speech import SpeechConfig
from components.storage.reader import hypotheses, utterances
from components.storage.stage_plan import StagePlan, content_of, library_versions, read_by
from components.storage.stage_writer import compute_once, opened
from components.storage.store import Store
from components.training.config import VERSION, TrainingConfig
from components.training.product import CURVE, make_model
from tasks.artifacts import publish_plots
from tasks.options import NOT_STORED, shown
from tasks.progress import Progress
from tasks.slots import device_slot
from tasks.stacking import stacked_inputs

LIBRARIES = ("torch", "transformers", "sentencepiece", "sacrebleu", "openai-whisper", "av")
STATES, COEFFICIENT = "states", "coefficient.json"


def speech_of(learn: LearnConfig) -> SpeechConfig:
    """How the stacked model hears."""
    return SpeechConfig(model=learn.speech_model, window_seconds=learn.window_seconds, pooling=learn.pooling)


def training_of(learn: LearnConfig, seed: int) -> TrainingConfig:
    """The settings of the one training loop."""
    return TrainingConfig(
        data=learn.data,
        dev=learn.dev,
        start=learn.start,
        seed=seed,
        max_steps=learn.steps,
        learning_rate=learn.learning_rate,
        warmup_steps=learn.warmup_steps,
        batch_pieces=learn.batch_pieces,
        eval_every=learn.eval_every,
        dropout=learn.dropout,
        threads=learn.threads,
        average=3,
        device="cpu",
        dtype="float32",
    )


@task(name="encodings", **NOT_STORED)
def encode(config: SpeechConfig, data: StageRef, store_url: str | None) -> StageRef | State[StageRef]:
    """Run the frozen Whisper over a data set once and keep its states, or go on where a run stopped."""
    named = {"model": config.model}
    plan = StagePlan(
        stage="encodings",
        version=f"encodings/{speech.SpeechEncoder.version}",
        parameters=config.model_dump(mode="json", exclude={"model"}) | {"device": pick_device().type},
        upstream=read_by(data),
        weights=weights_at(named, store_url),
        libraries=library_versions(LIBRARIES),
        models=named,
    )
    with opened(Store(store_url), plan, records=False) as writer:
        if writer.ref is None:
            spoken = list(utterances(data))
            progress, done = Progress("encodings", len(spoken)), [0]

            def report(number: int) -> None:
                progress.advance(number - done[0])
                done[0] = number

            with device_slot("auto"), measure_cost() as cost:
                encoder = speech.SpeechEncoder(config, store_url)
                refused = encodings.write(encoder, spoken, writer.path / STATES, report)
            for bad in refused[:5]:
                get_run_logger().warning("encodings: %s left out: %s", bad.utterance_id, bad.detail)
            writer.seconds, writer.peak_memory_bytes = cost.seconds, cost.peak_memory_bytes
            files = [f"{STATES}/{path.name}" for path in (writer.path / STATES).glob("*.safetensors")]
            writer.seal(files, items=len(spoken), quarantined=len(refused))
        assert writer.ref is not None
        ref = writer.ref
    return shown(ref)


Set = tuple[StageRef, StageRef, StageRef]
"""A spoken data set: its utterances, what was heard, and its encoder states."""


def spoken_pairs(data: StageRef, asr: StageRef, transcripts: int) -> Iterator[SpokenPair]:
    """What was heard with each reference translation."""
    heard = {nbest.utterance_id: nbest for nbest in hypotheses(asr)}
    for utterance in utterances(data):
        if utterance.id in heard:
            texts = tuple(h.text for h in heard[utterance.id].hypotheses[:transcripts])
            yield from (SpokenPair(utterance.id, texts, reference) for reference in utterance.references)


@task(name="stack training", **NOT_STORED)
def train_listener(
    learn: LearnConfig, kind: Kind, transcripts: int, sets: tuple[Set, Set], store_url: str | None
) -> StageRef | State[StageRef]:
    """Train a model that listens on a training set, with a development set; a finished one is reused."""
    config = training_of(learn, learn.seed)
    parts = {
        f"{role}-{ref.stage}": content_of(ref)
        for role, refs in zip(("train", "dev"), sets, strict=True)
        for ref in refs
    }
    named = {"start": learn.start, "speech": learn.speech_model}
    plan = StagePlan(
        stage="training",
        version=f"stack-training/{VERSION}",
        parameters={
            **config.model_dump(mode="json", exclude={"data", "dev", "start", "seed"}),
            "kind": kind,
            "transcripts": transcripts,
            "stack": learn.stack,
            **({"freeze": True} if learn.freeze else {}),  # what is not frozen keeps its key
        },
        upstream=parts,
        weights=weights_at(named, store_url),
        seed=learn.seed,
        libraries=library_versions(LIBRARIES),
        models=named,
    )
    make = partial(_learner, learn, kind, transcripts, sets, store_url)
    ref = compute_once(
        Store(store_url), plan, lambda folder: make_model(config, folder, make, StackLearner.score_name)
    )
    publish_plots([Path(ref.path) / CURVE])
    get_run_logger().info("training: the stacked model is store:%s", ref.key)
    return shown(ref)


def _learner(  # noqa: PLR0913, PLR0917 - the loop adds its own three
    learn: LearnConfig,
    kind: Kind,
    transcripts: int,
    sets: tuple[Set, Set],
    store_url: str | None,
    config: TrainingConfig,
    out: Path,
    device: torch.device,
) -> StackLearner:
    torch.manual_seed(config.seed)
    states = encodings.Encodings(*(Path(each[2].path) / STATES for each in sets))
    train, dev = ([p for p in spoken_pairs(d, a, transcripts) if p.id in states] for d, a, _ in sets)
    if not train or not dev:
        raise DataError(
            "expected spoken utterances with references to learn from, found none: see learn.data"
        )
    width = int(states[train[0].id].shape[1])
    ready = loading.from_text(learn.start, kind, speech_of(learn), width, learn.stack, store_url)
    if learn.freeze:
        ready.model.text.requires_grad_(False)
    return StackLearner(config, ready, (train, dev), states, device)


COEFFICIENTS = {"late_fusion": fusion.coefficient, "pooled": pooling.coefficient}
"""By likelihood where both search together, by BLEU where finished lists are chosen from."""


def _lists(config: StackConfig) -> dict[str, object]:
    if config.method != "pooled":
        return {}
    return {"method": "pooled", "beam_size": config.beam_size, "n_best": config.n_best}


@task(name="coefficient", **NOT_STORED)
def learn_coefficient(
    config: StackConfig, text_model: str, dev: tuple[StageRef, ...], store_url: str | None
) -> StageRef | State[StageRef]:
    """Learn the weight of the direct model on the development set: data, asr and, for lists, mt."""
    assert config.model is not None
    named = {"direct": config.model, "text": text_model}
    plan = StagePlan(
        stage="coefficient",
        version="stack-coefficient/1",
        parameters={"batch_size": config.batch_size, "device": pick_device(config.device).type}
        | _lists(config),
        upstream=read_by(*dev),
        weights=weights_at(named, store_url),
        libraries=library_versions(LIBRARIES),
        models=named,
    )
    with opened(Store(store_url), plan, records=False) as writer:
        if writer.ref is None:
            known = list(stacked_inputs(config, dev[0], dev[1], dev[-1]))
            with device_slot(config.device), measure_cost() as cost:
                value, reached = COEFFICIENTS[config.method](config, text_model, known, store_url)
            write_json(writer.path / COEFFICIENT, {"coefficient": value, "reached": reached})
            writer.seconds, writer.peak_memory_bytes = cost.seconds, cost.peak_memory_bytes
            writer.seal([COEFFICIENT], items=len(known))
        assert writer.ref is not None
        ref = writer.ref
    get_run_logger().info("%s: the direct model's weight is %.2f", config.method, read_coefficient(ref))
    return shown(ref)


def read_coefficient(ref: StageRef) -> float:
    """The weight that a ``coefficient`` stage holds."""
    return float(read_json(Path(ref.path) / COEFFICIENT)["coefficient"])
