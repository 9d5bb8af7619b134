"""A text as a translator reads it: its sentences, each short enough for the model, with their times."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from components.decoding.constraints.guidance import Beginning
from components.errors import DataError
from components.records import Quarantined, Segment, Utterance
from components.translation.segments.sentences import Span
from components.translation.segments.timed_text import TimedText

STAGE = "translation"
Turn = tuple[str, str]
"""A sentence and its translation."""


@dataclass(frozen=True)
class Sentence:
    """A sentence ready to decode.

    Attributes:
        tokens: token ids that the model reads.
        target: language to translate into.
        key: tells its random samples from those of other sentences.
        prefix: token ids of the translations before it, after which an encoder-decoder model goes on.
        terms: numbers of the terms that apply to it, and how often each does.
        begun: what its translation begins with.
    """

    tokens: tuple[int, ...]
    target: str | None
    key: int = 0
    prefix: tuple[int, ...] = ()
    terms: tuple[tuple[int, int], ...] = ()
    begun: Beginning | None = None


@dataclass(frozen=True)
class TimedSentence:
    """A sentence of a text.

    Attributes:
        text: what is written.
        times: when it begins and ends, in seconds; None where that is not known.
        sentence: what the model reads of it.
    """

    text: str
    times: tuple[float, float] | None
    sentence: Sentence


@dataclass(frozen=True)
class PreparedText:
    """An utterance's text, cut into sentences."""

    utterance: Utterance
    sentences: tuple[TimedSentence, ...]


class SentenceTooLongError(DataError):
    """A sentence has more tokens than a model, or one of several, can read: it is halved, if it can be."""

    def __init__(self, max_tokens: int, n_tokens: int, of: str = "") -> None:
        super().__init__(f"expected at most {max_tokens} tokens{of} per sentence, found {n_tokens}")


Prepare = Callable[[str, str, str | None], Sentence]
"""Tokenizes a text for its source and target language; DataError if the model cannot translate it."""


def prepare_text(
    utterance: Utterance, segments: Sequence[Segment], prepare: Prepare, max_source: int
) -> PreparedText | Quarantined:
    """Cut an utterance's text into sentences that a model can read.

    A sentence that is too long for the model is halved, at a pause or a clause if it has one, until it fits.

    Args:
        utterance: its ``text`` and languages are read.
        segments: stretches of the text with times, where these are known.
        prepare: tokenizes one sentence.
        max_source: tokens of a sentence that the model can read at most.
    """
    if utterance.text is None:
        detail = "expected text to translate, found audio only: recognise it first"
        return quarantine(utterance, "no text", detail)
    text = TimedText(utterance.text, utterance.source_language, segments)
    spans = text.sentences()
    sentences: list[TimedSentence] = []
    for number, span in enumerate(spans, 1):
        try:
            sentences += _fit(text, span, utterance, prepare, max_source)
        except SentenceTooLongError as error:
            detail = f"{error} in sentence {number} of {len(spans)}: split it"
            return quarantine(utterance, "input too long", detail)
        except DataError as error:
            return quarantine(utterance, "unsupported input", str(error))
    return PreparedText(utterance, tuple(sentences))


def _fit(
    text: TimedText, span: Span, utterance: Utterance, prepare: Prepare, max_source: int
) -> Iterator[TimedSentence]:
    piece = text.text[span.start : span.end]
    try:
        sentence = prepare(piece, utterance.source_language, utterance.target_language)
        if len(sentence.tokens) > max_source:
            raise SentenceTooLongError(max_source, len(sentence.tokens))
    except SentenceTooLongError:
        halves = text.halve(span)
        if halves is None:
            raise
    else:
        yield TimedSentence(piece, text.times_of(span), sentence)
        return
    for half in halves:
        yield from _fit(text, half, utterance, prepare, max_source)


def key_sentences(text: PreparedText) -> PreparedText:
    """Return the text whose sentences draw samples of their own, by the utterance's id and their number."""
    keyed = []
    for number, sentence in enumerate(text.sentences):
        digest = hashlib.sha256(f"{text.utterance.id}#{number}".encode()).digest()
        key = int.from_bytes(digest[:8], "big")
        keyed.append(replace(sentence, sentence=replace(sentence.sentence, key=key)))
    return replace(text, sentences=tuple(keyed))


def quarantine(utterance: Utterance, reason: str, detail: str) -> Quarantined:
    """Return the record of an utterance that cannot be translated."""
    return Quarantined(utterance_id=utterance.id, stage=STAGE, reason=reason, detail=detail)
