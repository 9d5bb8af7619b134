"""Backends whose models our search decodes; they stay in memory and are shared by equal settings."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Literal

from typing_extensions import override

from components.errors import ConfigError
from components.extensions import Extensions, accept_any
from components.translation.backends.backend import TranslatorBackend

if TYPE_CHECKING:
    from components.compute.layers.kernels import Arithmetic
    from components.decoding.config import SearchConfig
    from components.decoding.constraints.guidance import DraftBuilder
    from components.records import Checkpoint
    from components.translation.config import TranslationConfig
    from components.translation.sentence_translation import ContextBackend
    from components.translation.translator import Translator


SPARSE_PRODUCTS: Extensions[Any] = Extensions("antiphon.sparse_products", "sparse products", accept_any)
"""``pruned``: puts sparse layers into a loaded model whose configuration names some, on a CPU."""


class SearchedBackend(TranslatorBackend):
    """A backend whose models score tokens for our search."""

    @abstractmethod
    def build_sentences(
        self,
        config: TranslationConfig,
        loaded: tuple[Any, Any],
        search: SearchConfig,
        draft: DraftBuilder | None,
    ) -> ContextBackend:
        """Return what translates sentences with a loaded model and its tokenizer."""

    @override
    def build(
        self, config: TranslationConfig, checkpoint: Checkpoint, store: str | None, seed: int
    ) -> Translator:
        from components.translation import factory  # noqa: PLC0415 - imports torch
        from components.translation.config import search_config_of  # noqa: PLC0415

        _, model, tokenizer = factory.load_resident(config.model, config, store)
        self.refuse(config, checkpoint)
        draft = factory.load_draft(config, model, store)
        backend = self.build_sentences(config, (model, tokenizer), search_config_of(config, seed), draft)
        return factory.join(config, backend, checkpoint, getattr(model.model, "config", None))


def load_packed(
    checkpoint: Checkpoint, device: str, dtype: str, kind: Literal["causal", "seq2seq"], model_class: Any
) -> tuple[Any, Any]:
    """Return a model of transformers as our search decodes it, and its tokenizer.

    On a CPU its linear weights are laid out for ``dtype``; elsewhere it is loaded in it. ConfigError for int8
    there.
    """
    from components.decoding.scorers import digest_of  # noqa: PLC0415 - imports torch
    from components.models.loaders.loading import load_to_pack, load_transformers  # noqa: PLC0415

    on_cpu = device == "cpu"
    if dtype == "int8" and not on_cpu:
        raise ConfigError(f"expected dtype float32, bfloat16 or float16 on {device}, found int8")
    packed: dict[str, Arithmetic] = {"float32": "float32", "bfloat16": "bfloat16", "int8": "int8"}
    arithmetic = packed.get(dtype) if on_cpu else None
    is_half = False
    if arithmetic:
        model, tokenizer, is_half = load_to_pack(checkpoint, kind)
    else:
        model, tokenizer = load_transformers(checkpoint, kind, device, dtype)
    if dtype == "float32" and on_cpu and getattr(model.config, "sparse_layers", None):
        SPARSE_PRODUCTS["pruned"](model.float(), checkpoint.reference)
    ready = model_class(model, digest_of(tokenizer.get_vocab()), checkpoint.reference, arithmetic)
    if is_half:
        model.float()
    return ready, tokenizer
