"""Stochastic passes: the same search again and again, each with a network drawn by Monte-Carlo dropout.

The N translations of a sentence show how sure the model is of it (Fomicheva et al. 2020, D-Lex-Sim and D-TP).
The n-th pass has the n-th masks, which depend on the run's seed and on the utterance, not on the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import UNGUIDED
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.models.seq2seq_scorer import Seq2SeqScorer
from components.decoding.searches.search import search
from components.ensembling.token_level.dropout import DropoutScorer
from components.translation.backends import backend_for
from components.translation.backends.encoder_decoder.model import Seq2SeqBackend
from components.translation.config import TranslationConfig, search_config_of
from components.translation.context.domain import read_domain
from components.translation.context.guides import TermsGuide, load_terms
from components.translation.factory import list_settings, load_resident
from components.translation.segments.prepared_text import Sentence
from components.translation.sentence_translation import SentenceTranslation
from components.translation.translator import Translator

MAX_PASSES = 1024
"""Passes of one run's seed, at most: the next seed's masks are others."""


class DropoutPassesBackend(Seq2SeqBackend):
    """A backend whose translations of a sentence are the best ones of ``count`` passes with dropout."""

    def __init__(
        self,
        model: Seq2SeqModel,
        tokenizer: Any,
        search_config: SearchConfig,
        count: int,
        seed: int,
        terms: TermsGuide | None = None,
    ) -> None:
        super().__init__(model, tokenizer, search_config, terms=terms)
        self._count, self._seed = count, seed

    def decode(self, sentences: Sequence[Sentence]) -> list[list[SentenceTranslation]]:
        """Translate one batch: ``count`` translations of each sentence, best first, numbered by pass."""
        passes = [self._translate_once(sentences, number) for number in range(self._count)]
        return [sorted(results, key=lambda result: -result.rank) for results in zip(*passes, strict=True)]

    def _translate_once(self, sentences: Sequence[Sentence], number: int) -> list[SentenceTranslation]:
        (scorer,) = self.build_scorers(sentences)
        assert isinstance(scorer, Seq2SeqScorer)
        masks = DropoutScorer(scorer, self._seed * MAX_PASSES + number, keys=[s.key for s in sentences])
        processors = self._logits_processors_for(sentences[0].target)
        guidance = self._terms.guide(sentences) if self._terms else UNGUIDED
        nbests = search([masks], self._search, logits_processors=processors, guidance=guidance)
        best = [candidates[0] for candidates in nbests]
        return [replace(self._mark(self._to_translation(each), each), draw=number) for each in best]


def build_translator(config: TranslationConfig, store: str | None = None, seed: int = 0) -> Translator:
    """Return the translator of a configuration whose ``sampling`` says ``dropout``.

    Raises:
        ConfigError: the model is no encoder-decoder model, or has no dropout.
        ModelError: it cannot be loaded.
    """
    assert config.sampling is not None
    checkpoint, model, tokenizer = load_resident(config.model, config, store)
    backend_for(checkpoint.architecture).refuse(config, checkpoint)
    assert isinstance(model, Seq2SeqModel)
    terms = load_terms(config.terms, tokenizer, model.vocabulary.size, config.model)
    backend = DropoutPassesBackend(
        model, tokenizer, search_config_of(config), config.sampling.count, seed, terms
    )
    return Translator(
        backend,
        checkpoint,
        **list_settings(config),
        domain=read_domain(Path(checkpoint.path)),
        samples=True,
    )
