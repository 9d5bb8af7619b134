"""What is refused of a stacked system before anything is trained or loaded: its models."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from components import models
from components.errors import ConfigError
from components.languages import base_of
from components.machine import device_name
from components.models.architectures import STACKED
from components.models.checkpoints import read_json
from components.stacking.config import LISTENS, StackConfig
from components.translation.checks import Pair, text_model


def check(config: StackConfig, named: Iterable[str], store: str | None) -> None:
    """Refuse what can be refused without fetching a model. ConfigError, DataError, ModelError, StoreError."""
    device_name(config.device)
    for reference in named:
        models.check(reference, store)


def admit(config: StackConfig, store: str | None, pairs: Iterable[Pair]) -> None:
    """Refuse, by its files (fetched first), a model that is not the method's. As :func:`check`."""
    assert config.model is not None
    if config.method == "pooled":
        _admit_whisper(config.model, store, pairs)
    elif config.method in LISTENS:
        checkpoint, wanted = models.resolve(config.model, store), LISTENS[config.method]
        found = checkpoint.architecture
        if found == STACKED:
            found = str(read_json(Path(checkpoint.path) / "config.json").get("kind"))
        if found != wanted:
            raise ConfigError(
                f"stack.model: expected a stacked model of kind {wanted} for {config.method}, "
                f"found {config.model} ({found})"
            )
    else:
        text_model(config.model, store)


def admit_start(reference: str, store: str | None) -> None:
    """Refuse a model that training cannot start from. ConfigError, ModelError."""
    found = models.resolve(reference, store).architecture
    if found != "MarianMTModel":
        raise ConfigError(f"start: expected a MarianMTModel to start from, found {found}")


def _admit_whisper(reference: str, store: str | None, pairs: Iterable[Pair]) -> None:
    found = models.resolve(reference, store)
    if not found.architecture.lower().startswith("whisper") or found.reference.endswith(".en"):
        raise ConfigError(f"stack.model: expected a multilingual Whisper for pooled, found {reference}")
    targets = {base_of(target) for _, target in pairs if target is not None}
    if targets and "en" not in targets:
        raise ConfigError(
            f"stack.method pooled: expected target language en, all that Whisper writes, found "
            f"{', '.join(sorted(targets))}: set target_language, or choose another method"
        )


def admit_encoder(reference: str, store: str | None) -> None:
    """Refuse a model that has no encoder of Whisper's. ConfigError, ModelError."""
    found = models.resolve(reference, store).architecture
    if not found.lower().startswith("whisper"):
        raise ConfigError(f"{reference}: expected a Whisper whose encoder listens, found {found}")
