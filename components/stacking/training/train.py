"""Trains models that read speech, from the outputs of finished stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch

from components.errors import DataError
from components.networks.stacked_model import StackedKind
from components.records import NBest, Utterance
from components.stacking import encoder_states, model_folder
from components.stacking.config import SpeechConfig, SpeechTrainingConfig, StackTrainingConfig
from components.stacking.training.learner import SpokenPair, StackLearner
from components.storage.stages.whole_stage import StageFiles
from components.training.config import TrainingConfig
from components.training.learners.learner import Learner
from components.training.loop.product import make_model

Progress = Callable[[float], None]
"""Called with the percentage of a training that is done."""


def training_config(config: StackTrainingConfig) -> TrainingConfig:
    """Return the trainer's settings; the data come from the stages that the node reads."""
    return TrainingConfig(
        data="train",
        dev="dev",
        init_from=config.init_from,
        seed=config.seed,
        max_steps=config.steps,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup_steps,
        batch_tokens=config.batch_tokens,
        eval_every=config.eval_every,
        dropout=config.dropout,
        threads=config.threads,
        average_checkpoints=3,
        device="cpu",
        dtype="float32",
    )


class SpokenSet(NamedTuple):
    """A spoken data set: its utterances, what was recognized in it, and the folder of its encoder states.

    A direct model needs no transcripts.
    """

    utterances: Iterator[Utterance]
    transcripts: Mapping[str, NBest] | None
    states: Path


class SpeechModelSettings(NamedTuple):
    """The model to train: its kind, the transcripts that it reads at most, its speech encoder's settings."""

    kind: StackedKind
    transcripts: int
    speech: SpeechConfig


def train_speech_model(
    folder: Path,
    config: SpeechTrainingConfig,
    model_settings: SpeechModelSettings,
    sets: tuple[SpokenSet, SpokenSet],
    store: str | None,
    progress: Progress,
) -> StageFiles:
    """Train a model that reads speech.

    Args:
        folder: gets the model, and unfinished work.
        config: settings of the training.
        model_settings: the model to train.
        sets: for training and for development.
        store: where ``store:`` references are looked up.
        progress: called with the percentage that is done.

    Raises:
        DataError: a set has no spoken utterance with references.
    """
    states = encoder_states.EncoderStates(*(spoken.states for spoken in sets))
    pairs = tuple(
        [pair for pair in _pair_spoken(spoken, model_settings.transcripts) if pair.id in states]
        for spoken in sets
    )
    if not all(pairs):
        raise DataError("expected spoken utterances with references to learn from, found none")

    def learner(settings: TrainingConfig, out: Path, device: torch.device) -> Learner:
        torch.manual_seed(settings.seed)
        width = int(states[pairs[0][0].id].shape[1])
        stacked = model_folder.from_text_model(
            config.init_from, model_settings.kind, model_settings.speech, width, config.stack, store
        )
        if config.freeze:
            stacked.model.text.requires_grad_(False)
        return StackLearner(settings, stacked, (pairs[0], pairs[1]), states, device)

    return make_model(training_config(config), folder, learner, StackLearner.score_name, progress)


def _pair_spoken(spoken_set: SpokenSet, transcripts: int) -> Iterator[SpokenPair]:
    """The transcripts of each utterance, paired with each of its references; without any, an empty one."""
    for utterance in spoken_set.utterances:
        texts: tuple[str, ...] = ("",) if spoken_set.transcripts is None else ()
        outcome = (spoken_set.transcripts or {}).get(utterance.id)
        if outcome is not None:
            texts = tuple(hypothesis.text for hypothesis in outcome.hypotheses[:transcripts])
        if texts:
            language = utterance.target_language
            yield from (SpokenPair(utterance.id, texts, text, language) for text in utterance.references)
