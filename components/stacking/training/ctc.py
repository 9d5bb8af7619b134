"""Trains CTC heads from the encoder states of finished stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from components.errors import ConfigError, DataError
from components.models import resolve
from components.models.loaders.whisper_loading import load_whisper
from components.networks.ctc_head import CtcHead
from components.recognition.ctc.characters import list_characters
from components.recognition.ctc.speech_ctc import HeadSettings, save_speech_ctc
from components.records import Utterance
from components.stacking.config import SpeechConfig
from components.stacking.encoder_states import EncoderStates
from components.storage.stages.whole_stage import StageFiles
from components.text.languages import two_letters_of
from components.training.config import TrainingConfig
from components.training.ctc_config import CtcTrainingConfig
from components.training.learners.ctc_learner import CtcLearner, SpokenText
from components.training.learners.learner import Learner
from components.training.loop.product import make_model


class SpokenData(NamedTuple):
    """Utterances, the folder of their encoder states, and how these were made."""

    utterances: Sequence[Utterance]
    states: Path
    encoder: SpeechConfig


def training_config(config: CtcTrainingConfig) -> TrainingConfig:
    """Return the trainer's settings; the data come from the stages that the node reads."""
    return TrainingConfig(
        data="train",
        dev="dev",
        seed=config.seed,
        max_steps=config.steps,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup_steps,
        batch_tokens=config.batch_frames,
        eval_every=config.eval_every,
        patience=config.patience,
        dropout=config.dropout,
        threads=config.threads,
        average_checkpoints=3,
        device="cpu",
        dtype="float32",
    )


def train_ctc_head(
    folder: Path,
    config: CtcTrainingConfig,
    train: SpokenData,
    dev: SpokenData,
    store: str | None,
    progress: Callable[[float], None],
) -> StageFiles:
    """Train a CTC head, or go on with it, and write it with its encoder as a model folder.

    Args:
        folder: of the stage; gets the model, and unfinished work.
        config: settings of the training.
        train: to learn from.
        dev: picks the checkpoint.
        store: where the encoder is looked up, if it is ``store:KEY``.
        progress: called with the percentage that is done.

    Raises:
        ConfigError: The states of the two were made with different settings.
        DataError: There is no spoken utterance with a transcript, or there are several languages.
    """
    if train.encoder != dev.encoder:
        raise ConfigError(
            f"dev_states: expected states with the settings of the training data ({train.encoder}), found "
            f"{dev.encoder}: encode both alike"
        )
    states = EncoderStates(train.states, dev.states)
    texts = [[text for text in _list_texts(data) if text.id in states] for data in (train, dev)]
    if not all(texts):
        raise DataError("expected spoken utterances with transcripts to learn from, found none")
    settings = HeadSettings(
        characters=list_characters(text.text for text in texts[0]),
        language=_language_of(train.utterances),
        window_seconds=train.encoder.window_seconds,
        pooling=train.encoder.pooling,
        width=int(states[texts[0][0].id].shape[1]),
        hidden=config.hidden,
        kernel=config.kernel,
    )

    def export(head: CtcHead, out: Path) -> None:
        save_speech_ctc(load_whisper(resolve(train.encoder.model, store)), head, settings, out)

    def learner(trainer_config: TrainingConfig, out: Path, device: torch.device) -> Learner:
        return CtcLearner(trainer_config, settings, (texts[0], texts[1]), states, device, export)

    return make_model(training_config(config), folder, learner, CtcLearner.score_name, progress)


def _list_texts(data: SpokenData) -> Iterator[SpokenText]:
    for utterance in data.utterances:
        if utterance.transcript:
            yield SpokenText(utterance.id, utterance.transcript)


def _language_of(utterances: Sequence[Utterance]) -> str:
    languages = {two_letters_of(utterance.source_language) for utterance in utterances}
    if len(languages) != 1:
        raise DataError(f"expected one language to learn, found {', '.join(sorted(languages)) or 'none'}")
    return languages.pop()
