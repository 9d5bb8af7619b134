"""A configuration -> a translator, whose model stays in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from components.compute.batch_sizes import choose_batch_size, row_bytes
from components.compute.device import DTYPES, pick_device
from components.compute.machine import resolve_dtype_name
from components.compute.model_cache import model_cache
from components.decoding.config import SearchConfig
from components.decoding.models.causal import CausalModel
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import digest_of
from components.decoding.searches.deliberation import DeliberationModel
from components.decoding.searches.draft_model import DraftModel
from components.decoding.searches.edit_diffusion import EditDiffusionModel
from components.decoding.searches.speculative import require_draft_vocabulary
from components.errors import ConfigError
from components.kernels import Arithmetic
from components.models import resolve
from components.models.architectures import CAUSAL, DELIBERATION, EDIT_DIFFUSION
from components.models.loaders.loading import load_transformers
from components.models.loaders.refiner_checkpoints import load_network
from components.models.references import is_elsewhere
from components.records import Checkpoint
from components.translation.backends.causal import CausalBackend
from components.translation.backends.ctranslate2_backend import ConvertedModel, CTranslate2Backend
from components.translation.backends.ctranslate2_backend import load as load_converted
from components.translation.backends.edit_diffusion import EditDiffusionBackend
from components.translation.backends.seq2seq import Seq2SeqBackend
from components.translation.backends.served import build_served
from components.translation.checks import refuse_context, refuse_conversion, refuse_unsupported
from components.translation.config import TranslationConfig
from components.translation.context.context import ContextTranslator
from components.translation.context.domain import read_domain
from components.translation.context.terms import load_terms
from components.translation.search_settings import search_config_of
from components.translation.translator import Translator

USUAL_BATCH: int = TranslationConfig.model_fields["batch_size"].default
SentenceBackend = CausalBackend | CTranslate2Backend | EditDiffusionBackend | Seq2SeqBackend


def build(config: TranslationConfig, store: str | None = None, seed: int = 0) -> Translator:
    """The translator of ``config``; its model stays in memory and is shared by equal settings.

    Args:
        config: Model, search, and the prompt of a causal model.
        store: Folder or URL of the store, for models ``store:KEY``.
        seed: Of what is sampled.

    Raises:
        ConfigError: The settings do not fit each other or the model.
        ModelError: The model is not there, or damaged.
    """
    if is_elsewhere(config.model):
        return build_served(config, seed)
    search = search_config_of(config, seed)
    if config.backend == "ctranslate2":
        checkpoint = resolve(config.model, store)
        refuse_conversion(config, checkpoint)
        converted = _load_converted(checkpoint, config)
        backend: SentenceBackend = CTranslate2Backend(converted, search, config.context)
        lists = list_settings(config, converted.config)
    else:
        checkpoint, model, tokenizer = load_resident(config.model, config, store)
        refuse_context(config, checkpoint)
        draft = load_draft(config, model, store)
        backend = _build_backend(config, checkpoint, (model, tokenizer), search, draft)
        lists = list_settings(config, getattr(model.model, "config", None))
    if config.context is not None:
        return ContextTranslator(backend, checkpoint, **lists, context_sentences=config.context.sentences)
    return Translator(
        backend,
        checkpoint,
        **lists,
        domain=read_domain(Path(checkpoint.path)),
        samples=config.sampling is not None,
    )


def _build_backend(
    config: TranslationConfig,
    checkpoint: Checkpoint,
    loaded: tuple[CausalModel | Seq2SeqModel, Any],
    search: SearchConfig,
    draft: DraftModel | None,
) -> SentenceBackend:
    """What translates sentences with a loaded model and its tokenizer."""
    model, tokenizer = loaded
    if checkpoint.architecture == EDIT_DIFFUSION:
        refuse_unsupported(config, checkpoint)
        return EditDiffusionBackend(model, tokenizer, search)  # type: ignore[arg-type]
    terms = load_terms(config.terms, tokenizer, model.vocabulary.size, config.model)
    if isinstance(model, CausalModel):
        prompt, examples = config.prompt, config.examples
        causal = CausalBackend(
            model, tokenizer, search, prompt=prompt, examples=examples, terms=terms, draft=draft
        )
        causal.context = config.context
        return causal
    return Seq2SeqBackend(model, tokenizer, search, terms=terms, draft=draft, context=config.context)


def _load_converted(checkpoint: Checkpoint, config: TranslationConfig) -> ConvertedModel:
    device = pick_device(config.device)
    threads = torch.get_num_threads() if device.type == "cpu" else 0
    key = ("ctranslate2", *checkpoint.identity, str(device), config.dtype, threads)
    return model_cache.get(key, lambda: load_converted(checkpoint, config.dtype, device))


def list_settings(config: TranslationConfig, settings: Any = None) -> dict[str, int]:
    """How many hypotheses a text has, and how many sentences are decoded together.

    Args:
        config: The settings.
        settings: Those of the model in transformers, by which ``batch_size: auto`` counts memory.
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
) -> tuple[Checkpoint, CausalModel | Seq2SeqModel, Any]:
    """Checkpoint, model and tokenizer, on the device and in the arithmetic of ``config``; loaded once."""
    checkpoint = resolve(reference, store)
    kind = "causal" if checkpoint.architecture.endswith(CAUSAL) else "seq2seq"
    device = str(pick_device(config.device))
    dtype = resolve_dtype_name(config.dtype, device)
    key = ("translation", *checkpoint.identity, device, dtype)
    if checkpoint.architecture in (DELIBERATION, EDIT_DIFFUSION):
        return checkpoint, *model_cache.get(key, lambda: _load_refiner(checkpoint, device, dtype))
    return checkpoint, *model_cache.get(key, lambda: _load(checkpoint, kind, device, dtype))


def load_draft(
    config: TranslationConfig, model: CausalModel | Seq2SeqModel, store: str | None
) -> DraftModel | None:
    """The draft model that ``config`` names, which stays in memory, too; None where it names none.

    Raises:
        ConfigError: It is of another family or vocabulary than ``model``, or has fewer positions.
        ModelError: It cannot be loaded.
    """
    if config.draft is None:
        return None
    _, draft, _ = load_resident(config.draft, config, store)
    if type(draft) is not type(model) or not isinstance(draft, CausalModel | Seq2SeqModel):
        raise ConfigError(
            f"draft: expected a {type(model).__name__} as {config.model} is, found {config.draft}, a "
            f"{type(draft).__name__}: choose a model of the same family, such as its student"
        )
    require_draft_vocabulary(config.model, model.vocabulary, config.draft, draft.vocabulary)
    if draft.positions < model.positions:
        raise ConfigError(
            f"draft: expected at least the {model.positions} positions of {config.model}, found "
            f"{draft.positions} of {config.draft}"
        )
    return DraftModel(draft, config.draft_tokens)


def _load(checkpoint: Checkpoint, kind: str, device: str, dtype: str) -> tuple[Any, Any]:
    """On a CPU the linear weights are laid out for ``dtype``; elsewhere the model is loaded in it."""
    on_cpu = device == "cpu"
    if dtype == "int8" and not on_cpu:
        raise ConfigError(f"expected dtype float32, bfloat16 or float16 on {device}, found int8")
    packed: dict[str, Arithmetic] = {"float32": "float32", "bfloat16": "bfloat16", "int8": "int8"}
    arithmetic = packed.get(dtype) if on_cpu else None
    loaded = "float32" if arithmetic else dtype
    if kind == "causal":
        model, tokenizer = load_transformers(checkpoint, "causal", device, loaded)
        return CausalModel(
            model, digest_of(tokenizer.get_vocab()), checkpoint.reference, arithmetic
        ), tokenizer
    model, tokenizer = load_transformers(checkpoint, "seq2seq", device, loaded)
    return Seq2SeqModel(model, digest_of(tokenizer.get_vocab()), checkpoint.reference, arithmetic), tokenizer


def _load_refiner(checkpoint: Checkpoint, device: str, dtype: str) -> tuple[Any, Any]:
    """A deliberation network or an edit-diffusion model, used as a translator, and its tokenizer."""
    if dtype not in DTYPES:
        raise ConfigError(f"{checkpoint.reference}: expected dtype {', '.join(DTYPES)}, found {dtype}")
    network, tokenizer = load_network(checkpoint, device, DTYPES[dtype])
    make = DeliberationModel if checkpoint.architecture == DELIBERATION else EditDiffusionModel
    return make(network, digest_of(tokenizer.get_vocab()), checkpoint.reference), tokenizer
