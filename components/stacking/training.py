"""The trainings of stacked models over finished stages: a model that listens, and the weight that it gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch

from components.errors import DataError
from components.records import NBest, Utterance
from components.stacking import encodings, loading
from components.stacking.config import ListenerConfig, SpeechConfig, StackTrainingConfig
from components.stacking.learning import SpokenPair, StackLearner
from components.stacking.model import Kind
from components.storage.whole_stage import Product
from components.training.config import TrainingConfig
from components.training.learner import Learner
from components.training.product import make_model

Progress = Callable[[float], None]
"""Sees how far a training is, in percent."""


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


class SpokenSet(NamedTuple):
    """A spoken data set: its utterances, what was recognized in it, and the folder of its encoder states."""

    utterances: Iterator[Utterance]
    transcripts: Mapping[str, NBest]
    states: Path


class Listener(NamedTuple):
    """What is trained: its kind, how many transcripts it reads at most, and how it hears."""

    kind: Kind
    transcripts: int
    speech: SpeechConfig


def train_listener(
    folder: Path,
    config: ListenerConfig,
    listener: Listener,
    sets: tuple[SpokenSet, SpokenSet],
    store: str | None,
    progress: Progress,
) -> Product:
    """Train a model that listens on a training set, with a development set."""
    states = encodings.Encodings(*(each.states for each in sets))
    pairs = tuple([p for p in _spoken_pairs(each, listener.transcripts) if p.id in states] for each in sets)
    if not all(pairs):
        raise DataError("expected spoken utterances with references to learn from, found none")

    def learner(settings: TrainingConfig, out: Path, device: torch.device) -> Learner:
        torch.manual_seed(settings.seed)
        width = int(states[pairs[0][0].id].shape[1])
        ready = loading.from_text(config.start, listener.kind, listener.speech, width, config.stack, store)
        if config.freeze:
            ready.model.text.requires_grad_(False)
        return StackLearner(settings, ready, (pairs[0], pairs[1]), states, device)

    return make_model(training_of(config), folder, learner, StackLearner.score_name, progress)


def _spoken_pairs(spoken: SpokenSet, transcripts: int) -> Iterator[SpokenPair]:
    """What was recognized with each reference translation."""
    for utterance in spoken.utterances:
        outcome = spoken.transcripts.get(utterance.id)
        if outcome is not None:
            texts = tuple(hypothesis.text for hypothesis in outcome.hypotheses[:transcripts])
            yield from (SpokenPair(utterance.id, texts, reference) for reference in utterance.references)
