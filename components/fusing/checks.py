"""Checks of fusing before its models are loaded."""

from __future__ import annotations

from collections.abc import Iterable

from components import models
from components.errors import ConfigError
from components.fusing.config import FuseConfig
from components.fusing.trained import read_model_settings
from components.models.architectures import CAUSAL, SERVED
from components.models.sources.served import probe_chat
from components.refining.checks import check_gate, validate_gate_model
from components.translation.checks import LanguagePair


def check(config: FuseConfig, store: str | None, *, transcripts: bool, texts: int = 1) -> None:
    """Refuse settings that cannot work, without fetching a model.

    Args:
        config: the settings.
        store: the store of models and estimators.
        transcripts: whether transcripts are fused.
        texts: how many nodes are fused, which an estimator may compare.

    Raises:
        ConfigError, ModelError, StoreError: what is wrong, and what to do.
    """
    check_gate(config.gate_config, store, transcripts=transcripts, texts=texts)
    models.check(config.model, store, served=config.method == "prompted")


def validate_models(
    config: FuseConfig, store: str | None, pairs: Iterable[LanguagePair], *, transcripts: bool
) -> None:
    """Refuse fetched models that cannot fuse or judge: ConfigError."""
    checkpoint = models.resolve(config.model, store)
    if checkpoint.architecture == SERVED:
        probe_chat(config.model)
    elif config.method == "prompted" and not checkpoint.architecture.endswith(CAUSAL):
        raise ConfigError(
            f"model: expected a causal language model for method prompted, found {config.model} "
            f"({checkpoint.architecture})"
        )
    if config.method == "trained":
        reads_source = bool(read_model_settings(config.model, checkpoint.path)["source"])
        if reads_source == transcripts:
            texts = ("transcripts", "translations")
            raise ConfigError(
                f"model: expected one that was trained on {texts[not transcripts]}, found {config.model}, "
                f"which was trained on {texts[transcripts]}"
            )
    validate_gate_model(config.gate_config, store, pairs)
