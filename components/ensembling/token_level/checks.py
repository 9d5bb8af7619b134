"""Checks of token-level ensembles that run before the members are loaded: number, names and coefficients."""

from __future__ import annotations

from collections.abc import Sequence

from components import models
from components.decoding.member_settings import DROPOUT_PREFIX
from components.ensembling.member_list import list_members
from components.ensembling.token_level import factory, whisper_ensemble
from components.ensembling.token_level.combiners import COMBINATIONS
from components.ensembling.token_level.factory import build_combiner
from components.ensembling.token_level.whisper_ensemble import (
    MIXED_BACKENDS,
    explain_backend,
    with_first_backend,
)
from components.errors import ConfigError
from components.recognition.backend_choice import infer_backend
from components.recognition.checks import check as check_recognizer
from components.recognition.config import RecognizerEnsembleConfig
from components.translation.checks import check as check_translator
from components.translation.config import EnsembleConfig


def check_translators(ensemble: EnsembleConfig, store: str | None) -> None:
    """Refuse an ensemble of translators by its settings alone.

    Raises:
        ConfigError: the number of members or of coefficients does not suit the method.
        ModelError: a member is no translator.
        StoreError: a member names a checkpoint that the store lacks.
    """
    if ensemble.context is not None:
        raise ConfigError("context: expected a single model, found several mixed: leave it out")
    if ensemble.backend != "torch":
        raise ConfigError(
            f"backend: expected torch, where several models are mixed, found {ensemble.backend}"
        )
    if ensemble.sampling is not None and ensemble.sampling.dropout:
        raise ConfigError(
            "sampling: expected a single translator for dropout, found several mixed: draw tokens "
            "(temperature, top_p, epsilon), or set dropout_members"
        )
    if ensemble.terms is not None and ensemble.mixing.vocabulary != "same":
        raise ConfigError(
            "terms: expected members of one vocabulary (combine.vocabulary: same), found "
            f"{ensemble.mixing.vocabulary}: leave terms out, or combine finished outputs of translators that "
            "have them (combine.method: output_level)"
        )
    names = list_members(ensemble.members, ensemble.mixing)
    if ensemble.draft is not None:
        _refuse_draft(ensemble)
    if ensemble.mixing.vocabulary == "text" and (ensemble.sampling is not None or ensemble.entropies):
        setting = "entropies" if ensemble.entropies else "sampling"
        raise ConfigError(
            f"{setting}: expected members of one vocabulary, found combine.vocabulary text, which has no "
            "distribution over tokens: leave it out"
        )
    if any(ensemble.member_devices) and ensemble.mixing.vocabulary != "same":
        raise ConfigError(
            "member_devices: expected members of one vocabulary (combine.vocabulary: same), found "
            f"{ensemble.mixing.vocabulary}: leave them out"
        )
    build_combiner(ensemble.mixing, len(names))
    for index, name in enumerate(names):
        member = ensemble.for_member(index)
        check_translator(member.model_copy(update={"model": name.removeprefix(DROPOUT_PREFIX)}), store)


def validate_translators(ensemble: EnsembleConfig, store: str | None) -> None:
    """Refuse translators of different vocabularies or decoding constraints.

    They are loaded for that, unless the files of their tokenizers are the same.

    Raises:
        ConfigError: two members cannot share one search.
        ModelError: a member cannot be loaded.
    """
    names = list_members(ensemble.members, ensemble.mixing)
    drafts = () if ensemble.draft is None else (ensemble.draft,)
    if not _share_tokenizer([*names, *drafts], store):
        factory.build_translator(ensemble, ensemble.members, ensemble.mixing, store=store)


def _refuse_draft(ensemble: EnsembleConfig) -> None:
    has_dropout = any(name.startswith(DROPOUT_PREFIX) for name in ensemble.members)
    mixing = ensemble.mixing
    fault = (
        "dropout members"
        if has_dropout
        else "a gate"
        if mixing.learn == "gate"
        else f"combine.vocabulary {mixing.vocabulary}"
        if mixing.vocabulary != "same"
        else ""
    )
    if fault:
        raise ConfigError(
            f"draft: expected members of one vocabulary with constant weights, found {fault}: leave draft out"
        )


def validate_recognizers(config: RecognizerEnsembleConfig, store: str | None) -> None:
    """Refuse recognizers of different vocabularies, as :func:`validate_translators` does translators."""
    if not _share_tokenizer(config.members, store):
        whisper_ensemble.build_recognizer(config, store)


def _share_tokenizer(names: Sequence[str], store: str | None) -> bool:
    """Return whether the files of all tokenizers are known to be the same."""
    named = {name.removeprefix(DROPOUT_PREFIX) for name in names}
    tokenizers = {models.resolve(name, store).tokenizer_sha256 for name in named}
    return len(tokenizers) == 1 and None not in tokenizers


def check_learning(ensemble: EnsembleConfig | None, store: str | None) -> None:
    """Refuse to learn coefficients where the ensemble has none to learn.

    Raises:
        ConfigError: there is one member only, or ``combine.learn`` is ``nothing``; else as
            :func:`check_translators`.
    """
    if ensemble is None or ensemble.mixing.learn == "nothing":
        raise ConfigError(
            "combine.learn: expected constants or gate, and several members, found nothing to learn"
        )
    check_translators(ensemble, store)


def check_recognizers(config: RecognizerEnsembleConfig, store: str | None) -> None:
    """Refuse an ensemble of recognizers by its settings alone.

    Raises:
        ConfigError: the models of the backend are not mixed, or the coefficients do not fit the members.
        ModelError: a member is no recognizer.
        StoreError: a member names a checkpoint that the store lacks.
    """
    config = with_first_backend(config, store)
    names = [name.removeprefix(DROPOUT_PREFIX) for name in config.members]
    for backend in (config.backend, *(infer_backend(name, store) for name in names)):
        if backend not in MIXED_BACKENDS:
            raise ConfigError(explain_backend(backend))
    if config.coefficients:
        COMBINATIONS[config.combination](config.coefficients).active_members(len(config.members))
    for index, name in enumerate(names):
        check_recognizer(config.for_member(index).model_copy(update={"model": name}), store)
