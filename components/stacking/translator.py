"""A stacked system at work: speech, and what was said about it, to translations.

An utterance brings its audio, and in ``text`` what the stages before said, a line each: the transcripts, best
first, and for ``pre_translation`` last the first system's translation. An utterance is translated as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from components.decoding import logits_processors
from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.search import search
from components.errors import ConfigError, DataError
from components.records import Hypothesis, NBest, Outcome, Quarantined, Utterance
from components.stacking.config import StackConfig
from components.stacking.methods import METHODS, StackMethod, StackSource
from components.translation.seq2seq import to_sentence_translation

STAGE = "stack"


class StackedTranslator:
    """Speech and its transcripts -> translation n-best."""

    def __init__(self, config: StackConfig, system: StackMethod) -> None:
        self.config, self.checkpoint = config, system.checkpoint
        self._system = system
        self._search = SearchConfig(
            beam_size=config.beam_size,
            n_best=min(config.n_best, config.beam_size),
            max_new_tokens=config.max_tokens,
            length_penalty=config.length_penalty,
        )

    def translate(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        """One outcome per utterance, in order: its translations, or why there are none."""
        outcomes: dict[int, Outcome] = {}
        sources = []
        for index, utterance in enumerate(utterances):
            source = self.prepare(index, utterance)
            if isinstance(source, Quarantined):
                outcomes[index] = source
            else:
                sources.append(source)
        sources.sort(key=lambda heard: -max(map(len, heard.lines)))
        size = self.config.batch_size
        for start in range(0, len(sources), size):
            batch = sources[start : start + size]
            for source, candidates in zip(batch, self._decode(batch), strict=True):
                outcomes[source.index] = self._nbest(source.utterance, candidates)
        return [outcomes[index] for index in range(len(utterances))]

    def prepare(self, index: int, utterance: Utterance) -> StackSource | Quarantined:
        """Token ids and encoder states of one utterance, or why it has none."""
        try:
            return self._prepare(index, utterance)
        except DataError as error:
            return Quarantined(
                utterance_id=utterance.id, stage=STAGE, reason="unsupported input", detail=str(error)
            )

    def _prepare(self, index: int, utterance: Utterance) -> StackSource:
        texts = _blank_lines((utterance.text or "").split("\n"), self.config)
        lines = [tuple(self._system.tokenizer(text).input_ids) for text in texts]
        source_tokens, max_tokens = self._system.join(lines), self._system.max_tokens
        if (length := max(map(len, source_tokens))) > max_tokens:
            raise DataError(f"expected at most {max_tokens} tokens, found {length}: cut the recording")
        encoder = self._system.encoder
        states = None if encoder is None else encoder.encode(utterance)
        if states is not None and "sound" in self.config.blank:
            states = torch.zeros_like(states)
        return StackSource(index, utterance, source_tokens, states)

    def _decode(self, batch: Sequence[StackSource]) -> list[list[Candidate]]:
        system, no_padding = self._system, logits_processors.suppress([self._system.pad])
        return search(
            system.members(batch), self._search, logits_processors=[no_padding], combiner=system.combine
        )

    def _nbest(self, utterance: Utterance, candidates: Sequence[Candidate]) -> NBest:
        tokenizer, names = self._system.tokenizer, self._system.names
        texts = [to_sentence_translation(tokenizer, candidate, members=names) for candidate in candidates]
        hypotheses = tuple(
            Hypothesis(
                text=text.text,
                score=text.score,
                n_tokens=len(text.tokens),
                system=f"{self.config.method}:{self.checkpoint.reference}",
                features={"rank": text.rank, "cut": float(not text.finished)},
                tokens=text.tokens,
            )
            for text in texts
        )
        return NBest(utterance_id=utterance.id, hypotheses=hypotheses, language=utterance.source_language)


def _blank_lines(texts: list[str], config: StackConfig) -> list[str]:
    """The lines with those of blank sources empty; the draft is the last line, where the method has one."""
    transcripts = len(texts) - (config.method == "pre_translation")
    kinds = ["transcript"] * transcripts + ["draft"] * (len(texts) - transcripts)
    return ["" if kind in config.blank else text for kind, text in zip(kinds, texts, strict=True)]


def build_translator(config: StackConfig, text_model: str, store: str | None = None) -> StackedTranslator:
    """The stacked system of ``config``; ``text_model`` is the cascade's, a member of late fusion.

    Models stay resident in the process. ConfigError, ModelError.
    """
    if config.model is None:
        raise ConfigError(f"{config.method}: expected a model (store:KEY), found none: train one first")
    return StackedTranslator(config, METHODS[config.method](config, text_model, store))
