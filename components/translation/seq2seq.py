"""Translation by encoder-decoder models of transformers: Marian, M2M, NLLB, mBART, T5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from components.decoding.candidates import Candidate, member_scores_at, statistics_at
from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.draft_model import DraftModel
from components.decoding.generation_settings import as_tuple, logits_processors_of
from components.decoding.guidance import UNGUIDED, Guidance
from components.decoding.logits_processors import LogitsProcessor
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import TokenScorer, Vocabulary
from components.decoding.search import search
from components.errors import DataError
from components.languages import base_of, three_letters_of
from components.models.architectures import MULTILINGUAL
from components.records import Token
from components.sanitization import find_control_tokens, sanitize
from components.translation.language_tokens import (
    NO_TARGET_LANGUAGE,
    find_language_token,
    refuse_other_direction,
)
from components.translation.prepared_text import Sentence
from components.translation.terms import SourceTerms
from components.translation.translator import SentenceTranslation


class Seq2SeqBackend:
    """A :class:`~components.translation.translator.TranslationBackend` over a :class:`Seq2SeqModel`.

    Args:
        model: The model, ready to be searched.
        tokenizer: The model's.
        search_config: The search.
        terms: Those that translations should have.
        draft: A smaller model that proposes tokens to a greedy search.
    """

    def __init__(
        self,
        model: Seq2SeqModel,
        tokenizer: Any,
        search_config: SearchConfig,
        *,
        terms: SourceTerms | None = None,
        draft: DraftModel | None = None,
    ) -> None:
        self._model, self._tokenizer, self._search = model, tokenizer, search_config
        self._draft = draft
        self._config = model.model.config
        positions = getattr(self._config, "max_encoder_position_embeddings", model.positions)
        self.max_source = min(int(positions), int(tokenizer.model_max_length))
        self._is_multilingual = self._config.model_type in MULTILINGUAL
        self._vocabulary = tokenizer.get_vocab()
        self._control_tokens = find_control_tokens(tokenizer)
        self._logits_processors: dict[str | None, list[LogitsProcessor]] = {}
        self._combine: Combiner | None = None
        self._terms = terms

    def prepare(self, text: str, source: str, target: str | None) -> Sentence:
        """Token ids of a sentence with what the model expects around it: language codes, prefix, eos."""
        prefix = ""
        if self._is_multilingual:
            if target is None:
                raise DataError(NO_TARGET_LANGUAGE)
            code = find_language_token(self._tokenizer, source)
            self._tokenizer.src_lang = code.strip("_") if code.startswith("__") else code
            find_language_token(self._tokenizer, target)
        else:
            prefix = self._source_prefix(source, target)
        clean = prefix + sanitize(text, self._control_tokens)
        ids = self._tokenizer(clean, truncation=False, verbose=False).input_ids
        return Sentence(tuple(ids), target, terms=self._terms.find(text) if self._terms else ())

    def _source_prefix(self, source: str, target: str | None) -> str:
        declared = (
            getattr(self._tokenizer, "source_lang", None),
            getattr(self._tokenizer, "target_lang", None),
        )
        refuse_other_direction(declared, source, target)
        if target is None:
            return ""
        tasks = getattr(self._config, "task_specific_params", None) or {}
        task = tasks.get(f"translation_{base_of(source)}_to_{base_of(target)}")
        if task is not None:
            return str(task.get("prefix", ""))
        for code in (target, base_of(target), three_letters_of(target)):
            if f">>{code}<<" in self._vocabulary:
                return f">>{code}<< "
        return ""

    def decode(self, sentences: Sequence[Sentence]) -> list[list[SentenceTranslation]]:
        """Search one batch."""
        ids, mask = self._pad(sentences)
        nbests = search(
            self._build_scorers(ids, mask),
            self._search,
            logits_processors=self._logits_processors_for(sentences[0].target),
            combiner=self._combine,
            keys=[sentence.key for sentence in sentences],
            guidance=self._guide(sentences, ids, mask),
        )
        return [[self._mark(self._to_translation(c), c) for c in candidates] for candidates in nbests]

    def _guide(self, sentences: Sequence[Sentence], ids: Tensor, mask: Tensor) -> Guidance:
        """Terms, or the model that proposes; both are not to be had."""
        if self._draft is not None:
            return Guidance(draft=self._draft.build(input_ids=ids, attention_mask=mask))
        return self._terms.guide(sentences) if self._terms else UNGUIDED

    def build_scorers(self, sentences: Sequence[Sentence]) -> list[TokenScorer]:
        """The scorers of one search over a batch of sentences."""
        return self._build_scorers(*self._pad(sentences))

    def _pad(self, sentences: Sequence[Sentence]) -> tuple[Tensor, Tensor]:
        """Source ids (N, S) and their mask (N, S)."""
        device, pad = self._model.model.device, self._model.vocabulary.pad
        lengths = torch.tensor([len(sentence.tokens) for sentence in sentences])
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        ids = torch.full(mask.shape, pad)
        ids[mask] = torch.tensor([token for sentence in sentences for token in sentence.tokens])
        return ids.to(device), mask.long().to(device)

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens that it writes."""
        return self._model.vocabulary

    @property
    def silent_tokens(self) -> list[int]:
        """Tokens that may be forced at the beginning of a translation, without a text of their own."""
        forced = self._model.model.generation_config.forced_bos_token_id
        languages = set(self._tokenizer.all_special_ids) if self._is_multilingual else set()
        return sorted((languages | set(as_tuple(forced))) - {*self.vocabulary.eos, self.vocabulary.pad})

    def open_search(self, sentences: Sequence[Sentence]) -> tuple[TokenScorer, list[LogitsProcessor]]:
        """The model alone over a batch of sentences of one target language, and its constraints."""
        ids, mask = self._pad(sentences)
        scorer = self._model.build_scorer(input_ids=ids, attention_mask=mask)
        return scorer, self._logits_processors_for(sentences[0].target)

    def tokenize_target(self, text: str) -> list[int]:
        """A translation as the token ids that the decoder would write, with eos at the end."""
        return [int(token) for token in self._tokenizer(text_target=text, verbose=False).input_ids]

    def _build_scorers(self, ids: Tensor, mask: Tensor) -> list[TokenScorer]:
        """One scorer per model, over source ids (N, S) and their ``mask`` (N, S)."""
        return [self._model.build_scorer(input_ids=ids, attention_mask=mask)]

    def _logits_processors_for(self, target: str | None) -> list[LogitsProcessor]:
        if target not in self._logits_processors:
            bos = None
            if self._is_multilingual and target is not None:
                bos = int(self._vocabulary[find_language_token(self._tokenizer, target)])
            self._logits_processors[target] = logits_processors_of(self._model.model, forced_bos=bos)
        return self._logits_processors[target]

    def _to_translation(self, candidate: Candidate) -> SentenceTranslation:
        return to_sentence_translation(self._tokenizer, candidate)

    def _mark(self, translation: SentenceTranslation, candidate: Candidate) -> SentenceTranslation:
        return self._terms.mark(translation, candidate) if self._terms else translation


def to_sentence_translation(
    tokenizer: Any, candidate: Candidate, text: str | None = None, members: Sequence[str] = ()
) -> SentenceTranslation:
    """A candidate of the search as a translation.

    Args:
        tokenizer: Writes the text and the tokens' pieces.
        candidate: What the search returned.
        text: Overrides the plain detokenization.
        members: Names of an ensemble's members that were run, in order: tokens keep their scores and weights.
    """
    ids = [*candidate.tokens, *(() if candidate.eos_token is None else (candidate.eos_token,))]
    pieces = tokenizer.convert_ids_to_tokens(ids)
    if text is None:
        text = tokenizer.decode(
            list(candidate.tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
    return SentenceTranslation(
        text=" ".join(text.split()),
        score=candidate.score,
        rank=candidate.normalized_score,
        tokens=tuple(
            Token(
                piece=str(piece),
                log_prob=value,
                members=member_scores_at(members, candidate.member_log_probs, position),
                weights=member_scores_at(members, candidate.member_weights, position),
                **statistics_at(candidate, position),
            )
            for position, (piece, value) in enumerate(zip(pieces, candidate.log_probs, strict=True))
        ),
        finished=candidate.finished,
        draw=candidate.draw,
    )
