"""What is refused of a stacked system before anything is trained or loaded: its models, its training data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from components import data, models
from components.errors import ConfigError
from components.languages import base_of
from components.machine import device_name
from components.models.architectures import STACKED
from components.models.checkpoints import read_json
from components.stacking.config import LearnConfig, StackConfig, needs_training
from components.translation.checks import Pair, text_model

KINDS = {"direct": "direct", "late_fusion": "direct", "dual_source": "dual"}
"""Methods whose model listens, and the kind of it."""


def check(config: StackConfig, learn: LearnConfig, store: str | None) -> None:
    """Refuse what can be refused without fetching a model. ConfigError, DataError, ModelError, StoreError."""
    device_name(config.device)
    wanted = [config.model] if config.model else [learn.speech_model] if config.method == "pooled" else []
    if needs_training(config):
        wanted = [learn.start, *([learn.speech_model] if config.method in KINDS else [])]
        data.check(learn.data)
    if needs_training(config) or (config.method in ("late_fusion", "pooled") and config.coefficient is None):
        data.check(learn.dev)
    for reference in wanted:
        models.check(reference, store)


def admit(config: StackConfig, learn: LearnConfig, store: str | None, pairs: Iterable[Pair]) -> None:
    """Refuse, by its files (fetched first), a model that is not the method's. As :func:`check`."""
    if config.method == "pooled":
        _admit_whisper(config.model or learn.speech_model, store, pairs)
    elif config.model is None:
        found = models.resolve(learn.start, store).architecture
        if found != "MarianMTModel":
            raise ConfigError(f"learn.start: expected a MarianMTModel to start from, found {found}")
    elif config.method in KINDS:
        checkpoint, wanted = models.resolve(config.model, store), KINDS[config.method]
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
