"""What is refused of an ensemble before its members are loaded: their number, names and coefficients."""

from __future__ import annotations

from collections.abc import Sequence

from components import models
from components.ensembling import building, recognisers
from components.ensembling.building import combiner_of
from components.ensembling.combiners import COMBINATIONS
from components.ensembling.mixing import DROPOUT, Ensemble, members_of
from components.ensembling.recognisers import RecogniserEnsemble, refusal
from components.errors import ConfigError
from components.recognition.checks import check as check_recogniser
from components.translation.checks import check as check_translator


def check_mixture(ensemble: Ensemble, store: str | None) -> None:
    """Refuse translators that cannot be mixed as said. ConfigError, ModelError, StoreError."""
    names = members_of(ensemble.members, ensemble.mixing)
    combiner_of(ensemble.mixing, len(names))
    for name in dict.fromkeys(names):
        check_translator(ensemble.model_copy(update={"model": name.removeprefix(DROPOUT)}), store)


def admit_mixture(ensemble: Ensemble, store: str | None) -> None:
    """Refuse translators of different vocabularies or rules. ConfigError, ModelError.

    They are loaded unless their tokenizers' files are the same.
    """
    names = members_of(ensemble.members, ensemble.mixing)
    if not _one_tokenizer([name.removeprefix(DROPOUT) for name in names], store):
        building.build(ensemble, ensemble.members, ensemble.mixing, store=store)


def admit_recognisers(config: RecogniserEnsemble, store: str | None) -> None:
    """The same of recognisers."""
    if not _one_tokenizer(config.members, store):
        recognisers.build(config, store)


def _one_tokenizer(names: Sequence[str], store: str | None) -> bool:
    """Whether the files of all tokenizers are known to be the same."""
    tokenizers = {models.resolve(name, store).tokenizer_sha256 for name in names}
    return len(tokenizers) == 1 and None not in tokenizers


def check_learning(ensemble: Ensemble | None, store: str | None) -> None:
    """Refuse learning coefficients of translators that have none. As :func:`check_mixture`."""
    if ensemble is None or ensemble.mixing.learn == "nothing":
        raise ConfigError(
            "combine.learn: expected constants or gate, and several members, found nothing to learn"
        )
    check_mixture(ensemble, store)


def check_recognisers(config: RecogniserEnsemble, store: str | None) -> None:
    """Refuse recognisers that cannot be mixed token by token as said. ConfigError, ModelError, StoreError."""
    if config.backend != "whisper":
        raise ConfigError(refusal(config))
    if config.coefficients:
        COMBINATIONS[config.combination](config.coefficients).active(len(config.members))
    for name in dict.fromkeys(config.members):
        check_recogniser(config.model_copy(update={"model": name}), store)
