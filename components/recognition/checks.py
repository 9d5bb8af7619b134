"""What is refused of a recognizer before its weights are loaded: its extra, its device, its model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components import models
from components.compute.machine import resolve_device_name
from components.errors import ConfigError, require_extra
from components.models.checkpoints import read_json
from components.models.references import split_reference
from components.recognition.backend_choice import backend_of, with_backend
from components.recognition.backends import BACKENDS, names_where, takes
from components.recognition.config import LanguageModelFusion, RecognitionConfig
from components.recognition.windowed.request import Request
from components.records import Checkpoint
from components.setting_files import SETTING_FILES

_ENGLISH_ONLY_VOCABULARY = 51_864
"""Tokens of an English-only Whisper; multilingual ones have more."""


def check(config: RecognitionConfig, store: str | None) -> None:
    """Refuse what can be refused without fetching a model.

    Raises:
        ConfigError: The backend's extra is missing, or backend, device, arithmetic and model do not fit.
        ModelError: There is no such model.
        StoreError: The store that the model is in cannot be read.
    """
    config = with_backend(config, store)
    backend = BACKENDS[config.backend]
    if backend.module:
        who, otherwise = f"backend: {config.backend}", " or use another model or backend"
        require_extra(who, backend.module, backend.extra, otherwise)
    refuse_guides(config)
    if config.word_times and not backend.times_words:
        names = names_where("times_words")
        raise ConfigError(f"word_times: expected backend {names}, found {config.backend}, which gives none")
    device = resolve_device_name(config.device)
    if config.dtype == "int8" and device != "cpu" and backend.packs_weights:
        raise ConfigError(f"dtype: int8 needs a CPU with oneDNN's int8 kernels, found {device}; use float32")
    scheme, _ = split_reference(config.model)
    if not takes(backend, scheme):
        raise _wrong_model(config.backend, config.model)
    models.check(config.model, store, served=backend.is_elsewhere)
    if config.terms is not None:
        SETTING_FILES["terms"](Path(config.terms))
    if config.ctc is not None:
        models.check(config.ctc.model, store)
    if config.language_model is not None:
        _check_language_models(config.language_model, store)
    if config.draft is not None:
        if config.backend != "whisper":
            raise ConfigError(f"draft: expected backend whisper, found {config.backend}: leave draft out")
        models.check(config.draft, store)


def _check_language_models(fusion: LanguageModelFusion, store: str | None) -> None:
    for reference in fusion.models.values():
        models.check(reference, store)
    if fusion.files:
        require_extra("language_model: an n-gram model", "pocketsphinx", "sphinx")
    for path in fusion.files.values():
        if not Path(path).is_file():
            raise ConfigError(f"language_model: expected an ARPA file, found none at {path[:200]}")


def refuse_guides(config: RecognitionConfig) -> None:
    """Refuse settings of our search where the backend decodes by itself. ConfigError."""
    backend = backend_of(config)
    for setting in ("prompt", "sampling", "entropies", "terms", "ctc", "language_model"):
        if getattr(config, setting) and not backend.searches_here:
            names = names_where("searches_here")
            raise ConfigError(
                f"{setting}: expected backend {names}, found {config.backend}, which decodes by itself"
            )


def validate_model(config: RecognitionConfig, store: str | None, requests: Sequence[Request] = ()) -> None:
    """Refuse, by its files (fetched first), a model that the backend cannot read.

    Args:
        config: backend and model.
        store: where ``store:`` references are looked up.
        requests: what will be asked of it, as far as that is known: it has to be able to do one of them.

    Raises:
        ConfigError: It is of another architecture, or can do none of the requests.
        ModelError: It cannot be fetched, or its files are not complete.
    """
    config, checkpoint = with_backend(config, store), models.resolve(config.model, store)
    check_backend(config.backend, checkpoint)
    if config.draft is not None:
        _check_draft(config.draft, checkpoint, store)
    backend = BACKENDS[config.backend]
    backend.require_files(checkpoint)
    if config.ctc is not None:
        check_backend("ctc", models.resolve(config.ctc.model, store))
    backend.check_requests(checkpoint, requests)


def _check_draft(draft: str, checkpoint: Checkpoint, store: str | None) -> None:
    """Refuse a draft model of another vocabulary, told by its size. ConfigError."""
    found = models.resolve(draft, store)
    check_backend("whisper", found)
    sizes = [_vocabulary_size(each) for each in (checkpoint, found)]
    if None not in sizes and sizes[0] != sizes[1]:
        raise ConfigError(
            f"draft: expected a model of the {sizes[0]} tokens of {checkpoint.reference}, found {draft} with "
            f"{sizes[1]}: choose a smaller Whisper of the same languages, such as its student"
        )


def _vocabulary_size(checkpoint: Checkpoint) -> int | None:
    settings = Path(checkpoint.path) / "config.json"
    size = read_json(settings).get("vocab_size") if settings.is_file() else None
    return size if isinstance(size, int) else None


def is_english_only(checkpoint: Checkpoint) -> bool:
    """Return whether a Whisper model knows English only, by the size of its vocabulary."""
    size = _vocabulary_size(checkpoint)
    return size is not None and size <= _ENGLISH_ONLY_VOCABULARY


def check_backend(name: str, checkpoint: Checkpoint) -> None:
    """Refuse a model of an architecture that the backend does not read. ConfigError."""
    architecture = checkpoint.architecture.lower()
    if not architecture.startswith(BACKENDS[name].architectures):
        raise _wrong_model(name, f"{checkpoint.reference} ({checkpoint.architecture})", architecture)


def _wrong_model(name: str, model: str, architecture: str = "") -> ConfigError:
    rows = ((other, row) for other, row in BACKENDS.items() if not row.only_by_name)
    reader = next((other for other, row in rows if architecture.startswith(row.architectures)), None)
    if reader:
        advice = f"leave backend out, or set backend: {reader}"
    elif architecture:
        families = "docs/families/recognizers.md lists the families"
        advice = f"none of the backends reads it ({families}): use another model"
    else:
        advice = "leave backend out, or set one that reads the model"
    return ConfigError(f"backend {name}: expected {BACKENDS[name].reads}, found {model}; {advice}")
