"""What is refused of an ensemble before its members are loaded: their number, names and coefficients."""

from __future__ import annotations

from components import models
from components.ensembling.building import DROPOUT, combiner_of, members_of
from components.ensembling.combiners import COMBINATIONS
from components.ensembling.config import PoolingConfig
from components.ensembling.mixing import Ensemble
from components.ensembling.recognisers import RecogniserEnsemble
from components.errors import ConfigError
from components.recognition.checks import admit as admit_recogniser
from components.recognition.checks import check as check_recogniser
from components.translation.checks import check as check_translator


def check_mixture(ensemble: Ensemble, store: str | None) -> None:
    """Refuse translators that cannot be mixed as said. ConfigError, ModelError, StoreError."""
    names = members_of(ensemble.members, ensemble.mixing)
    combiner_of(ensemble.mixing, len(names))
    for name in dict.fromkeys(names):
        check_translator(ensemble.model_copy(update={"model": name.removeprefix(DROPOUT)}), store)


def check_recognisers(config: RecogniserEnsemble, store: str | None) -> None:
    """Refuse recognisers that cannot be mixed token by token as said. ConfigError, ModelError, StoreError."""
    if config.backend != "whisper":
        raise ConfigError(
            f"asr.combination: expected backend whisper to mix recognisers token by token, found "
            f"{config.backend}: set asr.combination to pooled"
        )
    if config.coefficients:
        COMBINATIONS[config.combination](config.coefficients).active(len(config.members))
    for name in dict.fromkeys(config.members):
        check_recogniser(config.model_copy(update={"model": name}), store)


def admit_recognisers(config: RecogniserEnsemble, store: str | None) -> None:
    """Refuse members that are no Whisper, by their files (fetched first). As :func:`check_recognisers`."""
    for name in dict.fromkeys(config.members):
        admit_recogniser(config.model_copy(update={"model": name}), store)


def check_pooling(config: PoolingConfig, n_systems: int, store: str | None) -> None:
    """Refuse votes that are not one per system, and an unknown language model. ConfigError, ModelError."""
    if config.weights and len(config.weights) != n_systems:
        raise ConfigError(f"pool.weights: expected {n_systems}, one per system, found {len(config.weights)}")
    if config.method == "reranking" and config.language_model is not None:
        models.check(config.language_model, store)
