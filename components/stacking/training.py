"""The trainings of stacked models over finished stages: a model that listens, and the weight that it gets."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch

from components.errors import DataError
from components.files import told_when_full
from components.records import NBest, Utterance
from components.stacking import encodings, loading
from components.stacking.config import ListenerConfig, SpeechConfig, StackTrainingConfig
from components.stacking.learning import SpokenPair, StackLearner
from components.stacking.model import Kind
from components.storage.stage_writer import WORK, Product
from components.training import curve
from components.training.config import TrainingConfig
from components.training.learner import Learner, MakeLearner
from components.training.loop import train

MODEL, METRICS, CURVE = "model", "metrics.jsonl", "learning-curve.png"
_log = logging.getLogger("antiphon.stacking")


def training_of(config: StackTrainingConfig) -> TrainingConfig:
    """The settings of the one training loop; its data are those of the nodes that are read."""
    return TrainingConfig(
        data="train",
        dev="dev",
        start=config.start,
        seed=config.seed,
        max_steps=config.steps,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup_steps,
        batch_pieces=config.batch_pieces,
        eval_every=config.eval_every,
        dropout=config.dropout,
        threads=config.threads,
        average=3,
        device="cpu",
        dtype="float32",
    )


def train_into(folder: Path, config: TrainingConfig, learner: MakeLearner, score: str) -> Product:
    """Train what ``learner`` makes, or go on; the model, its metrics and their curve are left in ``folder``.

    ``score`` names its development score.
    """

    def report(row: dict[str, float]) -> None:
        _log.info(
            "step %d of %d: loss %.3f, dev loss %.3f, dev %s %.2f (best at step %d)",
            *(row["step"], config.max_steps, row["train_loss"], row["dev_loss"]),
            *(score, row[f"dev_{score}"], row["best_step"]),
        )

    work = folder / WORK
    with told_when_full("the training", folder):
        state = train(config, work, report, learner)
        curve.plot(state.history, folder / CURVE, score)
        shutil.copyfile(work / METRICS, folder / METRICS)
        shutil.copytree(work / MODEL, folder / MODEL, dirs_exist_ok=True)
    files = [path.relative_to(folder).as_posix() for path in (folder / MODEL).rglob("*") if path.is_file()]
    return Product([METRICS, CURVE, *files], items=len(state.history))


class SpokenSet(NamedTuple):
    """A spoken data set: its utterances, what was recognized in it, and the folder of its encoder states."""

    utterances: Iterator[Utterance]
    transcripts: Mapping[str, NBest]
    states: Path


def train_listener(
    folder: Path,
    config: ListenerConfig,
    kind: Kind,
    transcripts: int,
    speech: SpeechConfig,
    sets: tuple[SpokenSet, SpokenSet],
    store: str | None,
) -> Product:
    """Train a model that listens on a training set, with a development set."""
    states = encodings.Encodings(*(each.states for each in sets))
    pairs = tuple([p for p in _spoken_pairs(each, transcripts) if p.id in states] for each in sets)
    if not all(pairs):
        raise DataError("expected spoken utterances with references to learn from, found none")

    def learner(settings: TrainingConfig, out: Path, device: torch.device) -> Learner:
        torch.manual_seed(settings.seed)
        width = int(states[pairs[0][0].id].shape[1])
        ready = loading.from_text(config.start, kind, speech, width, config.stack, store)
        if config.freeze:
            ready.model.text.requires_grad_(False)
        return StackLearner(settings, ready, (pairs[0], pairs[1]), states, device)

    return train_into(folder, training_of(config), learner, StackLearner.score_name)


def _spoken_pairs(spoken: SpokenSet, transcripts: int) -> Iterator[SpokenPair]:
    """What was recognized with each reference translation."""
    for utterance in spoken.utterances:
        outcome = spoken.transcripts.get(utterance.id)
        if outcome is not None:
            texts = tuple(hypothesis.text for hypothesis in outcome.hypotheses[:transcripts])
            yield from (SpokenPair(utterance.id, texts, reference) for reference in utterance.references)
