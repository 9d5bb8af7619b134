"""The row of the backend ``encoder-decoder``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from components.translation.backends.refusals import refuse_cut_context, refuse_prompt
from components.translation.backends.searched import SearchedBackend, load_packed

if TYPE_CHECKING:
    from components.decoding.config import SearchConfig
    from components.decoding.constraints.guidance import DraftBuilder
    from components.records import Checkpoint
    from components.translation.config import TranslationConfig
    from components.translation.sentence_translation import ContextBackend

# ruff: noqa: PLC0415 - its imports need torch


class EncoderDecoder(SearchedBackend):
    """Marian, M2M, NLLB, mBART, T5, MADLAD, SeamlessM4T: models that no other backend reads."""

    takes_drafts = True

    @override
    def reads(self, architecture: str) -> bool:
        return False

    @override
    def refuse(self, config: TranslationConfig, checkpoint: Checkpoint) -> None:
        refuse_prompt(config)
        refuse_cut_context(config)

    @override
    def load(self, checkpoint: Checkpoint, device: str, dtype: str) -> tuple[Any, Any]:
        from components.decoding.models.seq2seq import Seq2SeqModel

        return load_packed(checkpoint, device, dtype, "seq2seq", Seq2SeqModel)

    @override
    def build_sentences(
        self,
        config: TranslationConfig,
        loaded: tuple[Any, Any],
        search: SearchConfig,
        draft: DraftBuilder | None,
    ) -> ContextBackend:
        from components.translation.backends.encoder_decoder.model import Seq2SeqBackend
        from components.translation.context.guides import load_terms

        model, tokenizer = loaded
        terms = load_terms(config.terms, tokenizer, model.vocabulary.size, config.model)
        return Seq2SeqBackend(model, tokenizer, search, terms=terms, draft=draft, context=config.context)
