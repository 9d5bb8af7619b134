"""A configuration -> a recognizer. The backends are :data:`~.backends.BACKENDS`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from components.compute.device import pick_device
from components.compute.machine import resolve_dtype_name
from components.compute.model_cache import model_cache
from components.decoding.draft_settings import DRAFTS
from components.errors import ConfigError
from components.models import resolve
from components.recognition.backend_choice import with_backend
from components.recognition.backends import BACKENDS
from components.recognition.checks import check_backend, refuse_guides
from components.recognition.config import RecognitionConfig
from components.recognition.recognizer import Recognizer
from components.recognition.whisper.guides import GUIDES
from components.records import Checkpoint

if TYPE_CHECKING:
    from components.recognition.whisper.guides.guide import Guide


def build(
    config: RecognitionConfig, store: str | None = None, task: str = "transcribe", seed: int = 0
) -> Recognizer:
    """Build ``config``'s recognizer; its model stays in memory and is shared by equal settings.

    Args:
        config: model, backend, search and segmentation.
        store: folder or URL of the store, for models ``store:KEY``.
        task: ``transcribe``, or ``translate`` to write English instead of the spoken language.
        seed: of the samples that the temperature fallback draws.

    Raises:
        ConfigError: The settings do not fit each other or the model.
        ModelError: The model is not there, or damaged.
    """
    config = with_backend(config, store)
    backend = BACKENDS[config.backend]
    if task != "transcribe" and not backend.translates:
        raise ConfigError(
            f"backend: {config.backend} only transcribes, found task {task!r}; use backend whisper"
        )
    checkpoint = resolve(config.model, store)
    loaded = add_draft(load_resident(checkpoint, config), config, store)
    if guides := load_guides(config, store, task):
        from components.recognition.whisper.recognizer import WhisperRecognizer  # noqa: PLC0415 - torch

        return WhisperRecognizer(config, loaded, checkpoint, task, seed, guides=guides)
    return backend.build(config, loaded, checkpoint, task, seed)


def add_draft(backend: Any, config: RecognitionConfig, store: str | None) -> Any:
    """Let the draft model that ``config`` names propose tokens to a loaded ``whisper`` backend.

    Raises:
        ConfigError: The two do not fit each other.
        ModelError: It cannot be loaded.
    """
    if config.draft is None:
        return backend
    checkpoint = resolve(config.draft, store)
    draft = load_resident(checkpoint, config)
    return DRAFTS["recognizer"](backend, draft, config.draft_tokens, checkpoint.reference)


def load_resident(checkpoint: Checkpoint, config: RecognitionConfig) -> Any:
    """Return what ``config``'s backend keeps in memory of a model, loaded once in a process.

    For Whisper it is a :class:`~components.recognition.whisper.backend.WhisperBackend`. Raises as
    :func:`build`.
    """
    check_backend(config.backend, checkpoint)
    backend = BACKENDS[config.backend]
    device = pick_device(config.device)
    if backend.is_elsewhere:
        return backend.load(checkpoint, config, device)
    dtype = resolve_dtype_name(config.dtype, config.device, backend.half)
    config = config.model_copy(update={"dtype": dtype})
    settings = (config.backend, dtype, config.window_seconds, config.padding_stride)
    threads = torch.get_num_threads() if backend.fixes_threads else None
    key = ("recognition", *checkpoint.identity, *settings, threads, str(device))
    return model_cache.get(key, lambda: backend.load(checkpoint, config, device))


def load_guides(config: RecognitionConfig, store: str | None, task: str) -> list[Guide]:
    """Return what guides the search of a recognizer whose backend ``searches_here``; models stay in memory.

    Raises:
        ConfigError: The term list has a wrong line, the backend decodes by itself, or a model does not fit.
        ModelError: A model is not there, or damaged.
    """
    refuse_guides(config)
    return [GUIDES[name](config, store, task) for name in GUIDES if getattr(config, name, None) is not None]
