"""Translation by encoder-decoder models: Marian, M2M, NLLB, mBART, T5, MADLAD, SeamlessM4T."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from components.decoding.candidates import Candidate, tokens_of
from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import UNGUIDED, DraftBuilder, Guidance
from components.decoding.constraints.logits_processors import LogitsProcessor
from components.decoding.continuing import CONTINUING
from components.decoding.models.generation_settings import as_tuple, logits_processors_of
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import TokenScorer, Vocabulary
from components.decoding.searches.search import search
from components.translation.config import Context
from components.translation.context.guides import TermsGuide
from components.translation.segments.prepared_text import Sentence, Turn
from components.translation.segments.sentence_tokenizer import SentenceTokenizer
from components.translation.sentence_translation import SentenceTranslation


class Seq2SeqBackend(SentenceTokenizer):
    """A :class:`.ContextBackend` over a :class:`Seq2SeqModel`.

    Args:
        model: the model, ready to be searched.
        tokenizer: the model's.
        search_config: the search.
        terms: those that translations should have.
        context: what is read of the sentences before one.
        draft: a smaller model that proposes tokens to a greedy search.
    """

    def __init__(
        self,
        model: Seq2SeqModel,
        tokenizer: Any,
        search_config: SearchConfig,
        *,
        terms: TermsGuide | None = None,
        context: Context | None = None,
        draft: DraftBuilder | None = None,
    ) -> None:
        room = search_config.max_new_tokens + len(getattr(model, "start", ()))  # refiners have none
        config, positions = model.model.config, model.positions
        super().__init__(tokenizer, config, positions=positions, room=room, context=context)
        self._model, self._search, self._draft = model, search_config, draft
        self._logits_processors: dict[tuple[str | None, int], list[LogitsProcessor]] = {}
        self._combine: Combiner | None = None
        self._terms = terms

    def prepare(self, text: str, source: str, target: str | None) -> Sentence:
        """Return the token ids of a sentence, and the terms that are in it."""
        return self._with_terms(super().prepare(text, source, target), text)

    def prepare_in_context(
        self, text: str, source: str, target: str | None, turns: Sequence[Turn]
    ) -> Sentence | None:
        """Return the same after the sentences before it; terms are those of the sentence alone."""
        sentence = super().prepare_in_context(text, source, target, turns)
        return None if sentence is None else self._with_terms(sentence, text)

    def _with_terms(self, sentence: Sentence, text: str) -> Sentence:
        return replace(sentence, terms=self._terms.find(text)) if self._terms else sentence

    def begin(self, sentence: Sentence, written: str) -> Sentence:
        """See :class:`components.translation.continuing.ContinuingBackend`; none has a term list, too."""
        *tokens, _ = self.tokenize_target(written, sentence.target)
        if not tokens or len(tokens) >= self._search.max_new_tokens or self._terms is not None:
            return sentence
        return replace(
            sentence, begun=CONTINUING["begun"](tokens, self._tokenizer, self.vocabulary, sentence)
        )

    def attend(self, sentence: Sentence, text: str) -> Any:
        """See :class:`components.translation.continuing.ContinuingBackend`."""
        ids, mask = self.pad([sentence])
        scorer = self._model.build_scorer(start=self._model.start, input_ids=ids, attention_mask=mask)
        tokens, forced = self.tokenize_target(text, sentence.target)[:-1], self.count_forced(sentence.target)
        return CONTINUING["attention"](
            self._model.model, scorer, self._tokenizer, sentence.tokens, tokens, forced
        )

    def decode(self, sentences: Sequence[Sentence]) -> list[list[SentenceTranslation]]:
        """Search one batch."""
        ids, mask = self.pad(sentences)
        prefix = len(sentences[0].prefix)
        scorers = self._go_on(sentences, ids, mask) if prefix else self._build_scorers(ids, mask)
        nbests = search(
            scorers,
            self._search,
            logits_processors=self._logits_processors_for(sentences[0].target, prefix),
            combiner=self._combine,
            keys=[sentence.key for sentence in sentences],
            guidance=self._guide(sentences, ids, mask),
        )
        return [self._to_translations(candidates) for candidates in nbests]

    def _go_on(self, sentences: Sequence[Sentence], ids: Tensor, mask: Tensor) -> list[TokenScorer]:
        """Return the scorer whose decoder begins with the translations of the context."""
        start = torch.tensor([(*self._model.start, *sentence.prefix) for sentence in sentences])
        return [self._model.build_scorer(start=start, input_ids=ids, attention_mask=mask)]

    def _guide(self, sentences: Sequence[Sentence], ids: Tensor, mask: Tensor) -> Guidance:
        """Return what is written, terms, or the model that proposes: not two of them."""
        if (begun := sentences[0].begun) is not None:
            return begun.guide([sentence.begun for sentence in sentences])
        if self._draft is not None:
            return Guidance(draft=self._draft.build(input_ids=ids, attention_mask=mask))
        return self._terms.guide(sentences) if self._terms else UNGUIDED

    def build_scorers(self, sentences: Sequence[Sentence]) -> list[TokenScorer]:
        """Return the scorers of one search over a batch of sentences."""
        return self._build_scorers(*self.pad(sentences))

    def pad(self, sentences: Sequence[Sentence]) -> tuple[Tensor, Tensor]:
        """Return source ids (N, S) and their mask (N, S)."""
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
        """Return the model alone over a batch of sentences of one target language, and its constraints."""
        ids, mask = self.pad(sentences)
        scorer = self._model.build_scorer(input_ids=ids, attention_mask=mask)
        return scorer, self._logits_processors_for(sentences[0].target)

    def _build_scorers(self, ids: Tensor, mask: Tensor) -> list[TokenScorer]:
        """Return one scorer per model, over source ids (N, S) and their ``mask`` (N, S)."""
        return [self._model.build_scorer(input_ids=ids, attention_mask=mask)]

    def _logits_processors_for(self, target: str | None, prefix: int = 0) -> list[LogitsProcessor]:
        if (target, prefix) not in self._logits_processors:
            self._logits_processors[target, prefix] = logits_processors_of(
                self._model.model, forced_bos=self._first_token(target), prefix=prefix
            )
        return self._logits_processors[target, prefix]

    def _to_translations(self, candidates: Sequence[Candidate]) -> list[SentenceTranslation]:
        """The candidates as translations; what stands before the last separator belongs to the context."""
        if self._separator:
            cut = [candidate.since(find_end(candidate.tokens, self._separator)) for candidate in candidates]
            different: dict[tuple[int, ...], Candidate] = {}
            for candidate in cut:
                different.setdefault(candidate.tokens, candidate)
            candidates = list(different.values())
        return [self._mark(self._to_translation(each), each) for each in candidates]

    def _to_translation(self, candidate: Candidate) -> SentenceTranslation:
        return to_sentence_translation(self._tokenizer, candidate)

    def _mark(self, translation: SentenceTranslation, candidate: Candidate) -> SentenceTranslation:
        return self._terms.mark(translation, candidate) if self._terms else translation


def find_end(tokens: Sequence[int], part: Sequence[int]) -> int:
    """Return the position after the last occurrence of ``part`` in ``tokens``; 0 where there is none."""
    size = len(part)
    ends = range(len(tokens), size - 1, -1)
    return next((end for end in ends if tuple(tokens[end - size : end]) == tuple(part)), 0)


def to_sentence_translation(
    tokenizer: Any, candidate: Candidate, text: str | None = None, members: Sequence[str] = ()
) -> SentenceTranslation:
    """Return a candidate of the search as a translation.

    Args:
        tokenizer: writes the text and the tokens' pieces.
        candidate: what the search returned.
        text: overrides the plain detokenization.
        members: names of an ensemble's members that were run, in order: tokens keep their scores and weights.
    """
    if text is None:
        text = tokenizer.decode(
            list(candidate.tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
    return SentenceTranslation(
        text=" ".join(text.split()),
        score=candidate.score,
        rank=candidate.normalized_score,
        tokens=tokens_of(candidate, tokenizer.convert_ids_to_tokens(candidate.all_tokens), members),
        finished=candidate.finished,
        draw=candidate.draw,
    )
