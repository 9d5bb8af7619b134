"""Translation of texts that come and go: in each batch a sentence of every text, then more of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice, takewhile, zip_longest

from components.nodes.node_context import Item
from components.records import Outcome, Quarantined, Segment, Utterance
from components.translation.segments.prepared_text import PreparedText, Sentence
from components.translation.sentence_translation import Candidates


class TranslatorSession:
    """A :class:`~components.nodes.sessions.Session`.

    Args:
        prepare: splits a text into sentences.
        decode: translates sentences together.
        join: makes a text's outcome of those of its sentences.
        batch_size: sentences of a step.
    """

    def __init__(
        self,
        prepare: Callable[[Utterance, Sequence[Segment]], PreparedText | Quarantined],
        decode: Callable[[Sequence[Sentence]], Mapping[Sentence, Candidates]],
        join: Callable[[PreparedText, Sequence[Candidates]], Outcome],
        batch_size: int,
    ) -> None:
        self._prepare, self._decode, self._join, self._batch_size = prepare, decode, join, batch_size
        self._texts: dict[int, tuple[PreparedText, list[Candidates]]] = {}
        self._refused: dict[int, Outcome] = {}

    @property
    def keys(self) -> frozenset[int]:
        """The texts at work."""
        return frozenset(self._texts.keys() | self._refused.keys())

    def admit(self, key: int, item: Item) -> None:
        """Split a text; what cannot be translated is finished with the next step."""
        prepared = self._prepare(item.utterance, item.segments)
        if isinstance(prepared, Quarantined):
            self._refused[key] = prepared
        else:
            self._texts[key] = prepared, []

    def drop(self, key: int) -> None:
        """Forget a text."""
        self._texts.pop(key, None)
        self._refused.pop(key, None)

    def step(self) -> Mapping[int, Outcome]:
        """Translate one batch of sentences; the outcomes of the texts that are finished."""
        batch = list(islice(self._next_sentences(), self._batch_size))
        translations = self._decode([sentence for _, sentence in batch]) if batch else {}
        for key, sentence in batch:
            self._texts[key][1].append(translations[sentence])
        finished, self._refused = self._refused, {}
        for key, (prepared, done) in list(self._texts.items()):
            if len(done) == len(prepared.sentences):
                finished[key] = self._join(prepared, done)
                del self._texts[key]
        return finished

    def begun(self, key: int) -> str:
        """Return the best translations of the sentences before the first one that is left."""
        prepared, done = self._texts[key]
        translated = list(takewhile(lambda candidates: isinstance(candidates, list), done))
        first = PreparedText(prepared.utterance, prepared.sentences[: len(translated)])
        outcome = self._join(first, translated)
        return "" if isinstance(outcome, Quarantined) else outcome.best.text

    def _next_sentences(self) -> Iterator[tuple[int, Sentence]]:
        """Yield the next sentence of every text in turn, then the one after it of each, and so on."""
        left = (
            [(key, each.sentence) for each in prepared.sentences[len(done) :]]
            for key, (prepared, done) in self._texts.items()
        )
        return (pair for pair in chain.from_iterable(zip_longest(*left)) if pair is not None)
