"""What is refused of a translator before its weights are loaded: search, device, model, languages."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from components import models
from components.compute.machine import resolve_device_name
from components.errors import ConfigError, DataError
from components.records import Checkpoint
from components.setting_files import SETTING_FILES
from components.translation.backends import BACKENDS, OURS, backend_for
from components.translation.config import TranslationConfig, search_config_of

LanguagePair = tuple[str, str | None]
"""Source and target language of a text; a source that nobody stated is ``und``."""


def check(config: TranslationConfig, store: str | None, *, served: bool = False) -> None:
    """Refuse what can be refused without fetching a model.

    Args:
        config: the settings.
        store: the store of models.
        served: whether a served model will do.

    Raises:
        ConfigError: Search, device, arithmetic or examples cannot be used.
        ModelError: There is no such model.
        StoreError: The store that the model is in cannot be read.
    """
    search_config_of(config)
    device = resolve_device_name(config.device)
    if config.dtype == "int8" and device != "cpu":
        raise ConfigError(f"expected dtype float32, bfloat16 or float16 on {device}, found int8")
    if config.examples is not None:
        SETTING_FILES["examples"](Path(config.examples))
    if config.backend != OURS:
        BACKENDS[config.backend].check()
    if config.terms is not None:
        _check_terms(config, Path(config.terms))
    models.check(config.model, store, served=served)
    if config.draft is not None:
        models.check(config.draft, store)


def _check_terms(config: TranslationConfig, path: Path) -> None:
    """Refuse a term list with a wrong line, and required terms without a beam. ConfigError."""
    required = [term for term in SETTING_FILES["terms"](path) if term.require]
    if required and (config.beam_size == 1 or config.sampling is not None):
        found = "sampling" if config.sampling is not None else f"beam_size {config.beam_size}"
        raise ConfigError(
            f"terms: expected beam_size of at least 2 to write what {path} requires "
            f"({required[0].target!r}), found {found}: raise it (5 or more), or boost these terms instead"
        )


def validate_model(config: TranslationConfig, store: str | None, pairs: Iterable[LanguagePair]) -> None:
    """Refuse, by its files (fetched first), a model that translates none of ``pairs``. As :func:`check`."""
    checkpoint = resolve_text_model(config.model, store)
    backend_for(checkpoint.architecture, config.backend).refuse(config, checkpoint)
    fault = explain_unsupported(checkpoint, pairs)
    if fault is not None:
        raise ConfigError(f"{config.model}: {fault}")


def needs_vocabulary_check(model: str, draft: str | None, store: str | None) -> bool:
    """Return whether a model and its draft model have to be loaded to compare their vocabularies."""
    if draft is None:
        return False
    tokenizers = {models.resolve(name, store).tokenizer_sha256 for name in (model, draft)}
    return len(tokenizers) > 1 or None in tokenizers


def resolve_text_model(reference: str, store: str | None) -> Checkpoint:
    """Return the checkpoint of a model that reads text. ConfigError where it recognizes speech."""
    checkpoint = models.resolve(reference, store)
    if checkpoint.architecture.lower().startswith(("whisper", "pocketsphinx")):
        raise ConfigError(
            f"{reference}: expected a model that translates text, found {checkpoint.architecture}, "
            "which recognizes speech"
        )
    return checkpoint


def explain_unsupported(checkpoint: Checkpoint, pairs: Iterable[LanguagePair]) -> str | None:
    """Explain why the model translates none of ``pairs``, by the first; None where it may translate one."""
    refuse, first = backend_for(checkpoint.architecture).direction_check(checkpoint), None
    for source, target in pairs:
        try:
            refuse(source, target)
        except DataError as error:
            first = first or str(error)
        else:
            return None
    return first
