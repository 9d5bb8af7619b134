"""What one node made of one recording: texts of its utterances, with times of the recording."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from components.export.subtitles.timed_words import (
    Span,
    TimedWord,
    clean_text,
    join_words,
    spread_text,
    words_of_segment,
)
from components.records import Hypothesis, NBest, Quarantined, Segment, Utterance
from components.text.languages import UNDETERMINED
from components.text.text_confidence import confidence_of, estimates_of, segment_confidence


@dataclass(frozen=True)
class TimedSegment:
    """A stretch of a text, with its times in seconds of the recording."""

    start: float
    end: float
    text: str
    confidence: float | None
    words: tuple[TimedWord, ...]
    has_word_times: bool
    speaker: str | None = None


@dataclass(frozen=True)
class TextPart:
    """The text of one utterance.

    Attributes:
        utterance: as it is in the data.
        text: on one line; empty where it was quarantined.
        language: of the text.
        confidence: of the whole text, 0 to 1, where it is known.
        segments: its stretches; none where nothing has times.
        source: what it was translated from, one line; None for a transcript.
        source_segments: the same with times.
        source_language: of the source.
        quarantined: why there is no text.
        estimates: what an estimator says of the whole text, by name; see
            :data:`~components.text.text_confidence.ESTIMATES`.
        word_confidences: calibrated probability of each word of the text, where it was estimated.
    """

    utterance: Utterance
    text: str
    language: str
    confidence: float | None = None
    segments: tuple[TimedSegment, ...] = ()
    source: str | None = None
    source_segments: tuple[TimedSegment, ...] = ()
    source_language: str = UNDETERMINED
    quarantined: Quarantined | None = None
    estimates: dict[str, float] = field(default_factory=dict)
    word_confidences: tuple[float, ...] = ()

    @cached_property
    def segment_sources(self) -> tuple[str, ...]:
        """For each segment the words of the source that are said from its start until the next one's."""
        borders = sorted(segment.start for segment in self.segments[1:])
        groups: list[list[TimedWord]] = [[] for _ in self.segments]
        for word in words_of(self.source_segments) if self.segments else ():
            groups[bisect_right(borders, (word.start + word.end) / 2)].append(word)
        return tuple(map(join_words, groups))


@dataclass(frozen=True)
class RecordingText:
    """The texts of a recording (or of a text's lines) from one node, in order.

    Attributes:
        name: of the files that hold it, without language and format.
        node: that made it.
        timed: whether it has times: of a recording, or of subtitles.
        parts: its utterances.
        run: name of the run.
    """

    name: str
    node: str
    timed: bool
    parts: Sequence[TextPart]
    run: str = ""

    @property
    def language(self) -> str:
        """The language of most of its texts."""
        return _most_common(part.language for part in self.parts)

    @property
    def source_language(self) -> str:
        """The language of most of its sources."""
        return _most_common(part.source_language for part in self.parts)

    @property
    def has_speakers(self) -> bool:
        """Whether it says of several speakers who says what."""
        return len({segment.speaker for part in self.parts for segment in part.segments} - {None}) > 1

    @property
    def is_translation(self) -> bool:
        """Whether it has a source text."""
        return any(part.source is not None for part in self.parts)


def make_part(
    utterance: Utterance,
    outcome: NBest | Quarantined,
    language: str,
    source: NBest | None = None,
    *,
    translated: bool = False,
) -> TextPart:
    """Return what a node made of an utterance.

    Args:
        utterance: as it is in the data.
        outcome: of the node.
        language: of the node's text.
        source: the transcript that belongs to a translation, where there is one.
        translated: whether it is a translation, of the source or of the utterance's own text.
    """
    written = ((segment, None) for segment in utterance.segments)
    spoken = tuple(_time_segments(written, 0.0)) if source is None else _segments_of(utterance, source.best)
    part = TextPart(
        utterance,
        "",
        language,
        source=_source_text(utterance, source) if translated else None,
        source_segments=spoken if translated else (),
        source_language=(source and source.language) or utterance.source_language,
    )
    if isinstance(outcome, Quarantined):
        return replace(part, quarantined=outcome)
    best = outcome.best
    segments = _segments_of(utterance, best, [(item.start, item.end) for item in spoken])
    return replace(
        part,
        text=clean_text(best.text),
        confidence=confidence_of(best),
        segments=_with_calibrated_words(_with_speakers(segments, spoken), best.word_confidences),
        estimates=estimates_of(best),
        word_confidences=best.word_confidences,
    )


def _with_speakers(
    segments: tuple[TimedSegment, ...], spoken: Sequence[TimedSegment]
) -> tuple[TimedSegment, ...]:
    """Return segments of a translation with the speakers of what is said at their times."""
    if not any(segment.speaker for segment in spoken):
        return segments

    def with_speaker(segment: TimedSegment) -> TimedSegment:
        def overlap(said: TimedSegment) -> float:
            return min(segment.end, said.end) - max(segment.start, said.start)

        return replace(segment, speaker=segment.speaker or max(spoken, key=overlap).speaker)

    return tuple(map(with_speaker, segments))


def _with_calibrated_words(
    segments: tuple[TimedSegment, ...], confidences: Sequence[float]
) -> tuple[TimedSegment, ...]:
    """Return the segments with the calibrated probabilities of their words, if there is one for each."""
    if not confidences or sum(word.spaced for word in words_of(segments)) != len(confidences):
        return segments
    remaining, confidence = iter(confidences), 0.0
    calibrated = []
    for segment in segments:
        words = []
        for word in segment.words:  # a word between spaces may be several between which a line may break
            confidence = next(remaining) if word.spaced else confidence
            words.append(replace(word, confidence=confidence))
        calibrated.append(replace(segment, words=tuple(words)))
    return tuple(calibrated)


def words_of(segments: Sequence[TimedSegment]) -> list[TimedWord]:
    """Return the words of segments, in order."""
    return [word for segment in segments for word in segment.words]


def _source_text(utterance: Utterance, source: NBest | None) -> str | None:
    text = utterance.text if source is None else source.best.text
    return None if text is None else clean_text(text)


def _segments_of(
    utterance: Utterance, best: Hypothesis, spans: Sequence[Span] = ()
) -> tuple[TimedSegment, ...]:
    """The segments of a text in the recording's time; one over ``spans`` where it has none of its own."""
    if utterance.stretch is None:
        return ()
    if not best.segments:
        return _spread_segment(best, spans or [utterance.stretch])
    timed = ((segment, segment_confidence(segment, best)) for segment in best.segments)
    return tuple(_time_segments(timed, utterance.offset))


def _time_segments(segments: Iterable[tuple[Segment, float | None]], offset: float) -> Iterator[TimedSegment]:
    """Segments with their confidences in a recording's time, without those of no words."""
    for segment, confidence in segments:
        words = tuple(words_of_segment(segment, offset, confidence))
        if words:
            start, end = segment.start + offset, max(segment.start, segment.end) + offset
            text, timed = clean_text(segment.text), bool(segment.words)
            yield TimedSegment(
                start, end, text, confidence, words, timed, clean_text(segment.speaker or "") or None
            )


def _spread_segment(best: Hypothesis, spans: Sequence[Span]) -> tuple[TimedSegment, ...]:
    confidence = confidence_of(best)
    words = tuple(spread_text(best.text, spans, confidence))
    text = clean_text(best.text)
    return (TimedSegment(spans[0][0], spans[-1][1], text, confidence, words, False),) if words else ()


def _most_common(languages: Iterator[str]) -> str:
    counts = Counter(languages).most_common(1)
    return counts[0][0] if counts else UNDETERMINED
