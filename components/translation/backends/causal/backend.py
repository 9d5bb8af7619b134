"""The row of the backend ``causal``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from components.errors import ConfigError
from components.models.architectures import CAUSAL
from components.translation.backends.refusals import refuse_prompt
from components.translation.backends.searched import SearchedBackend, load_packed
from components.translation.segments.directions import refuse_no_target

if TYPE_CHECKING:
    from components.decoding.config import SearchConfig
    from components.decoding.constraints.guidance import DraftBuilder
    from components.records import Checkpoint
    from components.translation.config import TranslationConfig
    from components.translation.sentence_translation import ContextBackend

# ruff: noqa: PLC0415 - its imports need torch


class Causal(SearchedBackend):
    """Prompted decoder-only models."""

    takes_drafts = True

    @override
    def reads(self, architecture: str) -> bool:
        return architecture.endswith(CAUSAL)

    @override
    def refuse(self, config: TranslationConfig, checkpoint: Checkpoint) -> None:
        refuse_prompt(config)
        if config.sampling and config.sampling.dropout:
            raise ConfigError(
                f"sampling: expected an encoder-decoder model for dropout, found {config.model} "
                f"({checkpoint.architecture}): draw tokens instead (temperature, top_p, epsilon)"
            )

    @override
    def direction_check(self, checkpoint: Checkpoint) -> Callable[[str, str | None], object]:
        return refuse_no_target

    @override
    def load(self, checkpoint: Checkpoint, device: str, dtype: str) -> tuple[Any, Any]:
        from components.decoding.models.causal import CausalModel

        return load_packed(checkpoint, device, dtype, "causal", CausalModel)

    @override
    def build_sentences(
        self,
        config: TranslationConfig,
        loaded: tuple[Any, Any],
        search: SearchConfig,
        draft: DraftBuilder | None,
    ) -> ContextBackend:
        from components.translation.backends.causal.model import CausalBackend
        from components.translation.context.guides import load_terms

        model, tokenizer = loaded
        terms = load_terms(config.terms, tokenizer, model.vocabulary.size, config.model)
        prompt, examples = config.prompt, config.examples
        backend = CausalBackend(
            model, tokenizer, search, prompt=prompt, examples=examples, terms=terms, draft=draft
        )
        backend.context = config.context
        return backend
