"""What is refused of an ensemble before its members are loaded: their number, names and coefficients."""

from __future__ import annotations

from collections.abc import Sequence

from components import models
from components.ensembling.token_level import factory, whisper_ensemble
from components.ensembling.token_level.combiners import COMBINATIONS
from components.ensembling.token_level.config import (
    DROPOUT_PREFIX,
    EnsembleConfig,
    RecognizerEnsembleConfig,
    ordered_members,
)
from components.ensembling.token_level.factory import build_combiner
from components.ensembling.token_level.whisper_ensemble import explain_backend
from components.errors import ConfigError
from components.recognition.checks import check as check_recogniser
from components.translation.checks import check as check_translator


def check_translators(ensemble: EnsembleConfig, store: str | None) -> None:
    """Refuse translators that cannot be mixed as said. ConfigError, ModelError, StoreError."""
    names = ordered_members(ensemble.members, ensemble.mixing)
    build_combiner(ensemble.mixing, len(names))
    for name in dict.fromkeys(names):
        check_translator(ensemble.model_copy(update={"model": name.removeprefix(DROPOUT_PREFIX)}), store)


def validate_translators(ensemble: EnsembleConfig, store: str | None) -> None:
    """Refuse translators of different vocabularies or rules. ConfigError, ModelError.

    They are loaded unless their tokenizers' files are the same.
    """
    names = ordered_members(ensemble.members, ensemble.mixing)
    if not _share_tokenizer([name.removeprefix(DROPOUT_PREFIX) for name in names], store):
        factory.build_translator(ensemble, ensemble.members, ensemble.mixing, store=store)


def validate_recognizers(config: RecognizerEnsembleConfig, store: str | None) -> None:
    """The same of recognisers."""
    if not _share_tokenizer(config.members, store):
        whisper_ensemble.build_recognizer(config, store)


def _share_tokenizer(names: Sequence[str], store: str | None) -> bool:
    """Whether the files of all tokenizers are known to be the same."""
    tokenizers = {models.resolve(name, store).tokenizer_sha256 for name in names}
    return len(tokenizers) == 1 and None not in tokenizers


def check_learning(ensemble: EnsembleConfig | None, store: str | None) -> None:
    """Refuse learning coefficients of translators that have none. As :func:`check_translators`."""
    if ensemble is None or ensemble.mixing.learn == "nothing":
        raise ConfigError(
            "combine.learn: expected constants or gate, and several members, found nothing to learn"
        )
    check_translators(ensemble, store)


def check_recognizers(config: RecognizerEnsembleConfig, store: str | None) -> None:
    """Refuse recognisers that cannot be mixed token by token as said. ConfigError, ModelError, StoreError."""
    if config.backend != "whisper":
        raise ConfigError(explain_backend(config))
    if config.coefficients:
        COMBINATIONS[config.combination](config.coefficients).active_members(len(config.members))
    for name in dict.fromkeys(config.members):
        check_recogniser(config.model_copy(update={"model": name}), store)
