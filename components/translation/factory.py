"""A configuration -> a translator, its model resident in the process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.decoding.causal import CausalModel
from components.decoding.members import digest_of
from components.decoding.seq2seq import Seq2SeqModel
from components.device import pick_device, pool
from components.errors import ConfigError
from components.kernels import Arithmetic
from components.models import resolve
from components.models.architectures import CAUSAL, DELIBERATION, EDIT_DIFFUSION
from components.models.loading import load_transformers
from components.records import Checkpoint
from components.translation.causal import CausalEngine
from components.translation.config import TranslationConfig
from components.translation.domain import domain_of
from components.translation.searching import search_of
from components.translation.seq2seq import Seq2SeqEngine
from components.translation.translator import Engine, Translator


def build(config: TranslationConfig, store: str | None = None) -> Translator:
    """The translator of ``config``; models stay resident in the process. ConfigError, ModelError."""
    search = search_of(config)
    checkpoint, ready, tokenizer = resident(config.model, config, store)
    engine: Engine
    if isinstance(ready, CausalModel):
        engine = CausalEngine(ready, tokenizer, search, prompt=config.prompt, examples=config.examples)
    elif checkpoint.architecture == EDIT_DIFFUSION:
        from components.refining.engines import DiffusionEngine  # noqa: PLC0415 - that room builds on this one

        engine = DiffusionEngine(ready, tokenizer, search)  # type: ignore[arg-type]
    else:
        engine = Seq2SeqEngine(ready, tokenizer, search)
    domain = domain_of(Path(checkpoint.path))
    return Translator(engine, checkpoint, n_best=config.n_best, batch_size=config.batch_size, domain=domain)


def resident(
    reference: str, config: TranslationConfig, store: str | None
) -> tuple[Checkpoint, CausalModel | Seq2SeqModel, Any]:
    """A model made ready on the device and in the arithmetic of ``config``, with its tokenizer."""
    checkpoint = resolve(reference, store)
    kind = "causal" if checkpoint.architecture.endswith(CAUSAL) else "seq2seq"
    device = str(pick_device(config.device))
    key = ("translation", *checkpoint.identity, device, config.dtype)
    if checkpoint.architecture in (DELIBERATION, EDIT_DIFFUSION):
        from components.refining.saving import load_ready  # noqa: PLC0415 - that room builds on this one

        return checkpoint, *pool.get(key, lambda: load_ready(checkpoint, device, config.dtype))
    return checkpoint, *pool.get(key, lambda: _load(checkpoint, kind, device, config.dtype))


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
