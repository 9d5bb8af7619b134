"""Translation of sentences in their context: the model reads those before and what it made of them.

The sentences of a document, or of a text that belongs to none, are translated in order, each after the one
before it; the next sentences of all documents are a batch. The best translation of a sentence is the context
of those after it, so a document's outcomes do not depend on other documents. A sentence for which the model
fails, or a text that could not be read, is no context of what follows; neither is a text of another pair of
languages.

Sentences are joined to those before them by a separator, as Tiedemann and Scherrer do (2017,
https://aclanthology.org/W17-4811): an encoder-decoder model goes on after the translations of the context, or
its output is cut at the last separator. A decoder-only model has the context in its prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from components.errors import ModelError
from components.records import Checkpoint
from components.translation.segments.prepared_text import PreparedText, Sentence, Turn
from components.translation.sentence_translation import Candidates, ContextBackend
from components.translation.translator import Translator


class _Position(NamedTuple):
    """A sentence of a text: their numbers."""

    text: int
    sentence: int


class _Document:
    """The texts of a document: where its translation has come to, and the turns so far."""

    def __init__(self, texts: Sequence[tuple[int, PreparedText]], results: list[list[Candidates]]) -> None:
        self._results = results
        self._positions = (_Position(n, k) for n, text in texts for k in range(len(text.sentences)))
        self.turns: list[tuple[tuple[str, str | None], Turn]] = []

    def advance(self) -> _Position | None:
        """Return the next sentence; those of a text that has failed are skipped. None at the end."""
        for position in self._positions:
            if not any(isinstance(each, ModelError) for each in self._results[position.text]):
                return position
        return None


class ContextTranslator(Translator):
    """Translates the sentences of documents in order.

    Args:
        backend: the model.
        checkpoint: where it came from.
        n_best: hypotheses per text at most.
        batch_size: sentences decoded together.
        context_sentences: sentences before one that it reads at most; the oldest are left out where they do
            not fit.
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

    def open_session(self) -> None:
        """Let sentences that read those before them wait for these: whole batches."""

    def _translate_texts(self, texts: Sequence[PreparedText]) -> list[list[Candidates]]:
        results: list[list[Candidates]] = [[] for _ in texts]
        documents = [_Document(group, results) for group in _group_by_document(texts)]
        is_first = True
        while rows := [(d, position) for d in documents if (position := d.advance()) is not None]:
            sentences = [self._prepare_next(texts, document, position) for document, position in rows]
            decoded = self._decode_round(sentences, first=is_first)
            is_first = False
            for (document, position), sentence in zip(rows, sentences, strict=True):
                candidates = decoded[sentence]
                results[position.text].append(candidates)
                if not isinstance(candidates, ModelError):
                    text = texts[position.text]
                    turn = text.sentences[position.sentence].text, candidates[0].text
                    document.turns.append((_languages_of(text), turn))
        return results

    def _decode_round(self, sentences: Sequence[Sentence], *, first: bool) -> dict[Sentence, Candidates]:
        try:
            return self._decode(sentences)
        except ModelError as error:
            if first:
                raise
            return dict.fromkeys(sentences, error)  # few documents are this long: the others stand

    def _prepare_next(
        self, texts: Sequence[PreparedText], document: _Document, position: _Position
    ) -> Sentence:
        text = texts[position.text]
        sentence, languages = text.sentences[position.sentence], _languages_of(text)
        last = document.turns[-self._context_sentences :]
        turns = [turn for pair, turn in last if pair == languages]
        while turns:
            prepared = self._reader.prepare_in_context(sentence.text, *languages, turns)
            if prepared is not None:
                return prepared
            turns = turns[1:]
        return sentence.sentence


def _languages_of(text: PreparedText) -> tuple[str, str | None]:
    return text.utterance.source_language, text.utterance.target_language


def _group_by_document(texts: Sequence[PreparedText]) -> Iterator[list[tuple[int, PreparedText]]]:
    """Return the texts with their numbers; those that follow one another in one document are together."""

    def document_of(numbered: tuple[int, PreparedText]) -> tuple[str | None, int]:
        number, text = numbered
        document = text.utterance.document
        return (document, -1) if document is not None else (None, number)

    return (list(group) for _, group in groupby(enumerate(texts), key=document_of))
