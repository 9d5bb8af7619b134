"""Translates with a stacked system: from speech and from the outputs of the stages before.

An utterance has its audio and, as the lines of ``text``, the outputs of the stages before: its transcripts,
best first, and for ``pre_translation`` the first system's translation as the last line. It is translated as a
whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from components.compute.batch_sizes import BatchLimit, ItemTooLargeError
from components.compute.progress import track
from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.constraints import token_constraints
from components.decoding.isolation import isolate
from components.decoding.searches.search import search
from components.errors import ConfigError, DataError, ModelError
from components.records import Hypothesis, NBest, Outcome, Quarantined, Utterance
from components.stacking.config import StackConfig
from components.stacking.methods import METHODS, StackMethod, StackSource
from components.translation.backends.encoder_decoder.model import to_sentence_translation

STAGE = "stack"


class StackedTranslator:
    """Translates utterances with the scorers of a method."""

    def __init__(self, config: StackConfig, method: StackMethod) -> None:
        self.config, self.checkpoint = config, method.checkpoint
        self._method, self._limit = method, BatchLimit(config.batch_size)
        self._search = SearchConfig(
            beam_size=config.beam_size,
            n_best=min(config.n_best, config.beam_size),
            max_new_tokens=config.max_tokens,
            length_penalty=config.length_penalty,
        )

    def translate(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        """Return one outcome per utterance, in order: an n-best list, or a quarantine with the reason."""
        outcomes: dict[int, Outcome] = {}
        sources = []
        for index, utterance in enumerate(utterances):
            source = self.prepare(index, utterance)
            if isinstance(source, Quarantined):
                outcomes[index] = source
            else:
                sources.append(source)
        sources.sort(key=lambda source: -max(map(len, source.lines)))
        size = self.config.batch_size
        for batch in track([sources[start : start + size] for start in range(0, len(sources), size)]):
            results = isolate(partial(self._limit.map, self._decode), batch, ItemTooLargeError)
            for source, candidates in zip(batch, results, strict=True):
                outcomes[source.index] = self._outcome(source.utterance, candidates)
        return [outcomes[index] for index in range(len(utterances))]

    def prepare(self, index: int, utterance: Utterance) -> StackSource | Quarantined:
        """Return the token ids and encoder states of utterance ``index``, or its quarantine record."""
        try:
            return self._prepare(index, utterance)
        except DataError as error:
            return Quarantined(
                utterance_id=utterance.id, stage=STAGE, reason="unsupported input", detail=str(error)
            )

    def _prepare(self, index: int, utterance: Utterance) -> StackSource:
        texts = _ablate_lines((utterance.text or "").split("\n"), self.config)
        lines = [tuple(self._method.tokenizer(text).input_ids) for text in texts]
        source_tokens, max_tokens = self._method.join_lines(lines), self._method.max_tokens
        if (length := max(map(len, source_tokens))) > max_tokens:
            raise DataError(f"expected at most {max_tokens} tokens, found {length}: cut the recording")
        encoder = self._method.encoder
        states = None if encoder is None else encoder.encode(utterance)
        if states is not None and "sound" in self.config.ablate:
            states = torch.zeros_like(states)
        return StackSource(index, utterance, source_tokens, states)

    def _decode(self, batch: Sequence[StackSource]) -> list[list[Candidate]]:
        method, no_padding = self._method, token_constraints.suppress([self._method.pad])
        scorers = method.build_scorers(batch)
        return search(scorers, self._search, logits_processors=[no_padding], combiner=method.combiner)

    def _outcome(self, utterance: Utterance, candidates: Sequence[Candidate] | ModelError) -> Outcome:
        if isinstance(candidates, ModelError):
            return Quarantined(
                utterance_id=utterance.id, stage=STAGE, reason="out of memory", detail=str(candidates)
            )
        tokenizer, names = self._method.tokenizer, self._method.names
        translations = [
            to_sentence_translation(tokenizer, candidate, members=names) for candidate in candidates
        ]
        hypotheses = tuple(
            Hypothesis(
                text=translation.text,
                score=translation.score,
                n_tokens=len(translation.tokens),
                system=f"{self.config.method}:{self.checkpoint.reference}",
                features={"rank": translation.rank, "cut": float(not translation.finished)},
                tokens=translation.tokens,
            )
            for translation in translations
        )
        return NBest(utterance_id=utterance.id, hypotheses=hypotheses, language=utterance.source_language)


def _ablate_lines(texts: list[str], config: StackConfig) -> list[str]:
    """The lines, those of ablated sources empty; the draft is the last line, where the method has one."""
    n_transcripts = len(texts) - (config.method == "pre_translation")
    kinds = ["transcript"] * n_transcripts + ["draft"] * (len(texts) - n_transcripts)
    return ["" if kind in config.ablate else text for kind, text in zip(kinds, texts, strict=True)]


def build_translator(config: StackConfig, text_model: str, store: str | None = None) -> StackedTranslator:
    """Build the stacked system of ``config``. Its models stay resident in the process.

    Args:
        config: the method and its settings.
        text_model: the cascade's translator, a member of late fusion.
        store: where ``store:`` references are looked up.

    Raises:
        ConfigError: the method has no model, or one of another kind.
        ModelError: a model cannot be loaded.
    """
    if config.model is None:
        raise ConfigError(f"{config.method}: expected a model (store:KEY), found none: train one first")
    return StackedTranslator(config, METHODS[config.method](config, text_model, store))
