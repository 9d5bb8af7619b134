"""Translation of sentences in their context: the model reads those before and what it made of them.

Sentence k of a text waits for sentence k - 1; the sentences of one number of all texts are a batch. The best
translation of each is the context of those after it, so a text's outcome does not depend on other texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from components.errors import ModelError
from components.records import Checkpoint
from components.translation.prepared_text import PreparedText, Sentence
from components.translation.translator import Candidates, TranslationBackend, Translator

Turn = tuple[str, str]
"""A sentence and its translation."""


class ContextBackend(TranslationBackend, Protocol):
    """A model that can read the sentences before one."""

    def prepare(self, text: str, source: str, target: str | None, context: Sequence[Turn] = ()) -> Sentence:
        """Tokenize one sentence after its context, the oldest first. DataError if it cannot be translated."""
        ...


class ContextTranslator(Translator):
    """Translates texts sentence by sentence, in order.

    Args:
        backend: The model.
        checkpoint: Where it came from.
        n_best: Hypotheses per text at most.
        batch_size: Sentences decoded together.
        context_sentences: Sentences before one that the model reads at most; the oldest are left out where
            they do not fit.
    """

    def __init__(
        self,
        backend: ContextBackend,
        checkpoint: Checkpoint,
        *,
        n_best: int,
        batch_size: int,
        context_sentences: int,
    ) -> None:
        super().__init__(backend, checkpoint, n_best=n_best, batch_size=batch_size)
        self._reader, self._context_sentences = backend, context_sentences

    def _translate_texts(self, texts: Sequence[PreparedText]) -> list[list[Candidates]]:
        results: list[list[Candidates]] = [[] for _ in texts]
        for number in range(max((len(text.sentences) for text in texts), default=0)):
            rows = [
                (self._prepare_in_context(text, number, earlier), earlier)
                for text, earlier in zip(texts, results, strict=True)
                if number < len(text.sentences) and not any(isinstance(c, ModelError) for c in earlier)
            ]
            decoded = self._decode_round([sentence for sentence, _ in rows], first=number == 0)
            for sentence, earlier in rows:
                earlier.append(decoded[sentence])
        return results

    def _decode_round(self, sentences: Sequence[Sentence], *, first: bool) -> dict[Sentence, Candidates]:
        try:
            return self._decode(sentences)
        except ModelError as error:
            if first:
                raise
            return dict.fromkeys(sentences, error)  # few texts are this long: the others stand

    def _prepare_in_context(self, text: PreparedText, number: int, earlier: Sequence[Candidates]) -> Sentence:
        turns = [
            (sentence.text, candidates[0].text)
            for sentence, candidates in zip(text.sentences, earlier, strict=False)
            if not isinstance(candidates, ModelError)
        ][-self._context_sentences :]
        languages = text.utterance.source_language, text.utterance.target_language
        while turns:
            sentence = self._reader.prepare(text.sentences[number].text, *languages, turns)
            if len(sentence.tokens) <= self._reader.max_source:
                return sentence
            turns = turns[1:]
        return text.sentences[number].sentence
