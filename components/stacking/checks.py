"""Checks of a stacked system's models that run before anything is trained or loaded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from components import models
from components.compute.machine import resolve_device_name
from components.errors import ConfigError
from components.models.architectures import STACKED
from components.models.checkpoints import read_json
from components.recognition.checks import is_english_only
from components.stacking import prompted
from components.stacking.config import SPEECH_MODEL_KINDS, StackConfig
from components.text.languages import two_letters_of
from components.translation.checks import LanguagePair, resolve_text_model


def check_references(config: StackConfig, references: Iterable[str], store: str | None) -> None:
    """Refuse the device and model references that are wrong, without fetching a model.

    Raises:
        ConfigError: the device is not there.
        ModelError: a reference is no model's.
        StoreError: a reference names a checkpoint that the store lacks.
    """
    resolve_device_name(config.device)
    for reference in references:
        models.check(reference, store)


def validate_model(config: StackConfig, store: str | None, pairs: Iterable[LanguagePair]) -> None:
    """Refuse a model that the method cannot use, by its files, which are fetched first.

    Args:
        config: method and model.
        store: where ``store:`` references are looked up.
        pairs: the languages of the data.

    Raises:
        ConfigError: the model is of another kind, or does not write the target language.
        ModelError: it cannot be fetched.
    """
    assert config.model is not None
    if config.method == "pooled":
        _validate_whisper(config.model, store, pairs)
    elif config.method == "prompted":
        prompted.validate_model(config, store, pairs)
    elif config.method in SPEECH_MODEL_KINDS:
        checkpoint, expected = models.resolve(config.model, store), SPEECH_MODEL_KINDS[config.method]
        kind = checkpoint.architecture
        if kind == STACKED:
            kind = str(read_json(Path(checkpoint.path) / "config.json").get("kind"))
        if kind != expected:
            raise ConfigError(
                f"stack.model: expected a stacked model of kind {expected} for {config.method}, "
                f"found {config.model} ({kind})"
            )
    else:
        resolve_text_model(config.model, store)


def validate_start_model(reference: str, store: str | None) -> None:
    """Raise ConfigError for a model that training cannot start from, ModelError where it is not found."""
    architecture = models.resolve(reference, store).architecture
    if architecture != "MarianMTModel":
        raise ConfigError(f"start: expected a MarianMTModel to start from, found {architecture}")


def _validate_whisper(reference: str, store: str | None, pairs: Iterable[LanguagePair]) -> None:
    checkpoint = models.resolve(reference, store)
    if not checkpoint.architecture.lower().startswith("whisper") or is_english_only(checkpoint):
        raise ConfigError(f"stack.model: expected a multilingual Whisper for pooled, found {reference}")
    targets = {two_letters_of(target) for _, target in pairs if target is not None}
    if targets and "en" not in targets:
        raise ConfigError(
            f"stack.method pooled: expected target language en, all that Whisper writes, found "
            f"{', '.join(sorted(targets))}: set target_language, or choose another method"
        )


def validate_encoder(reference: str, store: str | None) -> None:
    """Raise ConfigError for a model without Whisper's encoder, ModelError where it is not found."""
    architecture = models.resolve(reference, store).architecture
    if not architecture.lower().startswith("whisper"):
        raise ConfigError(f"{reference}: expected a Whisper, for its encoder, found {architecture}")
