"""A configuration -> a translator, whose model stays in memory, by one of :data:`~.backends.BACKENDS`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.compute.batch_sizes import choose_batch_size, row_bytes
from components.compute.device import DTYPES, pick_device
from components.compute.machine import resolve_dtype_name
from components.compute.model_cache import model_cache
from components.decoding.constraints.guidance import DraftBuilder
from components.decoding.draft_settings import DRAFTS
from components.errors import ConfigError
from components.extensions import Extensions, accept_any
from components.models import resolve
from components.records import Checkpoint
from components.translation.backends import backend_for
from components.translation.config import TranslationConfig
from components.translation.context.domain import read_domain
from components.translation.sentence_translation import ContextBackend
from components.translation.translator import Translator

TEXT_TRANSLATORS: Extensions[Any] = Extensions("antiphon.text_translators", "text translator", accept_any)
"""Classes of translators of texts by the setting that asks for them; without one, sentence by sentence."""
USUAL_BATCH: int = TranslationConfig.model_fields["batch_size"].default


def build(config: TranslationConfig, store: str | None = None, seed: int = 0) -> Translator:
    """Return the translator of ``config``; its model stays in memory and is shared by equal settings.

    Args:
        config: model, search, and the prompt of a causal model.
        store: folder or URL of the store, for models ``store:KEY``.
        seed: of what is sampled.

    Raises:
        ConfigError: The settings do not fit each other or the model.
        ModelError: The model is not there, or damaged.
    """
    checkpoint = resolve(config.model, store)
    return backend_for(checkpoint.architecture, config.backend).build(config, checkpoint, store, seed)


def join(
    config: TranslationConfig, backend: ContextBackend, checkpoint: Checkpoint, settings: Any
) -> Translator:
    """Return the translator of texts over what translates their sentences.

    Args:
        config: its settings.
        backend: translates sentences.
        checkpoint: where the model came from.
        settings: those of the model in transformers; None where it has none.
    """
    lists = list_settings(config, settings)
    if config.context is not None:
        translator: Translator = TEXT_TRANSLATORS["context"](
            backend, checkpoint, **lists, context_sentences=config.context.sentences
        )
        return translator
    return Translator(
        backend,
        checkpoint,
        **lists,
        domain=read_domain(Path(checkpoint.path)),
        samples=config.sampling is not None,
    )


def list_settings(config: TranslationConfig, settings: Any = None) -> dict[str, int]:
    """Return how many hypotheses a text has, and how many sentences are decoded together.

    Args:
        config: the settings.
        settings: those of the model in transformers, by which ``batch_size: auto`` counts memory.
    """
    positions = 2 * config.max_tokens  # those of a prompt or source among them

    def sentence_bytes() -> int:
        itemsize = DTYPES.get(config.dtype, DTYPES["float32"]).itemsize
        return config.beam_size * row_bytes(settings, positions, itemsize)

    device = "cpu" if settings is None else str(pick_device(config.device))
    batch_size = choose_batch_size(config.batch_size, USUAL_BATCH, device, sentence_bytes)
    if config.sampling is None:
        return {"n_best": config.n_best, "batch_size": batch_size}
    return {
        "n_best": config.sampling.count,
        "batch_size": config.sampling.fit_batch(batch_size, config.beam_size),
    }


def load_resident(
    reference: str, config: TranslationConfig, store: str | None
) -> tuple[Checkpoint, Any, Any]:
    """Checkpoint, what our search decodes, and tokenizer, on the device and in the arithmetic of ``config``.

    They are loaded once in a process.

    Raises:
        ConfigError: Our search does not decode it.
        ModelError: It is not there, or damaged.
    """
    checkpoint = resolve(reference, store)
    device = str(pick_device(config.device))
    dtype = resolve_dtype_name(config.dtype, device)
    key = ("translation", *checkpoint.identity, device, dtype)
    backend = backend_for(checkpoint.architecture)
    return checkpoint, *model_cache.get(key, lambda: backend.load(checkpoint, device, dtype))


def load_draft(config: TranslationConfig, model: Any, store: str | None) -> DraftBuilder | None:
    """Return the draft model that ``config`` names, which stays in memory, too; None where it names none.

    Raises:
        ConfigError: It is of another family or vocabulary than ``model``, or has fewer positions.
        ModelError: It cannot be loaded.
    """
    if config.draft is None:
        return None
    checkpoint, draft, _ = load_resident(config.draft, config, store)
    if type(draft) is not type(model) or not backend_for(checkpoint.architecture).takes_drafts:
        raise ConfigError(
            f"draft: expected a {type(model).__name__} as {config.model} is, found {config.draft}, a "
            f"{type(draft).__name__}: choose a model of the same family, such as its student"
        )
    names = (config.model, config.draft)
    builder: DraftBuilder = DRAFTS["translator"](model, draft, config.draft_tokens, names)
    return builder
