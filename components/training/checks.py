"""Checks of a training's settings before its data are read: shapes, languages, files and models."""

from __future__ import annotations

from components import data, models
from components.device import pick_device
from components.languages import check_code
from components.training import initialization
from components.training.config import DistillationConfig, TrainingConfig
from components.training.marian_model import check_heads


def check(config: TrainingConfig, store: str | None) -> None:
    """Refuse settings that cannot work, without reading data.

    Raises:
        ConfigError, DataError, ModelError, StoreError: what is wrong, and what to do.
    """
    check_code(config.source_language)
    check_code(config.target_language)
    for source in (config.data, config.dev):
        data.check(source, config.source_language, config.target_language)
    check_machine(config, store)


def check_machine(config: TrainingConfig, store: str | None) -> None:
    """Check device, shape and models, but not the data."""
    pick_device(config.device)
    if config.kind in ("deliberation", "edit_diffusion"):
        initialization.require_initial_model(config)
    if config.init_from is None:
        check_heads(config)
    for reference in initialization.model_references(config).values():
        models.check(reference, store)


def check_distillation(config: DistillationConfig, store: str | None) -> None:
    """Check a student's training, and that its teachers can be resolved."""
    check(config, store)
    for reference in (*config.teachers, *([config.init_layers_from] if config.init_layers_from else [])):
        models.check(reference, store)
