"""A text with the times of its stretches, cut into sentences that know when they are said.

A recognizer's segments are not sentences: Whisper ends them at pauses and at the end of its windows. So the
sentences are those of the whole text, across segments, windows and pauses; a sentence begins with its first
word and ends with its last. The time of a place is that of its word where the segments have words; else it is
interpolated by characters within its segment.

The rule for text whose marks do not say where sentences end, of which times are known: a pause of
:data:`PAUSE_SECONDS` ends a sentence after a full stop, whatever follows, and anywhere in a text that has no
sentence mark at all; and a sentence of more than :data:`MAX_WORDS` words (:data:`MAX_CHARACTERS` in languages
without spaces) is halved until it is short enough: at its longest pause, else after the clause mark that is
nearest to its middle, those at the end of a segment first, else at a space.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from components.records import Segment
from components.text.languages import ENDS_SENTENCE, STOPS_WITH_SPACE, WIDE_STOPS, without_spaces
from components.translation.segments.sentences import Span, find_sentences

PAUSE_SECONDS = 0.6
MAX_WORDS = 40
MAX_CHARACTERS = 80
_MIN_PAUSE_SECONDS = 0.2
"""Shorter silences are within words and between the words of a phrase."""
_SENTENCE_MARK = re.compile(f"[{STOPS_WITH_SPACE}{WIDE_STOPS}]")
_CLAUSE_END = re.compile(r"[,;:–—،؛]+(?=\s)|[，；：、]+")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class _Anchor:
    """Characters ``begin`` to ``end`` of the text are said from ``start`` to ``stop`` (seconds)."""

    begin: int
    end: int
    start: float
    stop: float

    def seconds_at(self, position: int) -> float:
        share = (position - self.begin) / max(self.end - self.begin, 1)
        return self.start + min(max(share, 0.0), 1.0) * (self.stop - self.start)


class TimedText:
    """A text and when it is said.

    Args:
        text: the text.
        language: its language.
        segments: its stretches in order, with times; none where nothing is known of them.
    """

    def __init__(self, text: str, language: str, segments: Sequence[Segment] = ()) -> None:
        self.text = text
        self._language = language
        self._anchors, self._segment_ends = _find_anchors(text, segments)
        self._changes = _find_changes(text, segments)
        self._begins = [anchor.begin for anchor in self._anchors]
        self._ends = [anchor.end for anchor in self._anchors]

    def sentences(self) -> list[Span]:
        """Return the sentences, stripped, none empty, in order; all words are in one of them."""
        spans = find_sentences(self.text, self._language)
        if not self._anchors:
            return spans
        spans = [piece for span in spans for piece in self._cut_at_speakers(span)]
        spans = [piece for span in spans for piece in self._cut_at_pauses(span)]
        return [piece for span in spans for piece in self._shorten(span)]

    def times_of(self, span: Span) -> tuple[float, float] | None:
        """When a stretch begins and ends, in seconds; None where no times are known."""
        if not self._anchors:
            return None
        first = self._anchors[min(bisect_right(self._ends, span.start), len(self._anchors) - 1)]
        last = self._anchors[max(bisect_left(self._begins, span.end) - 1, 0)]
        start = first.seconds_at(span.start)
        return start, max(start, last.seconds_at(span.end))

    def halve(self, span: Span) -> tuple[Span, Span] | None:
        """Cut a stretch in two where it hurts least; None of a single word."""
        pauses = [(seconds, at) for at, seconds in self._pauses(span) if seconds >= _MIN_PAUSE_SECONDS]
        if pauses:
            return self._cut(span, max(pauses)[1])
        part, middle = self.text[span.start : span.end], (span.end - span.start) / 2
        clauses, spaces = (
            [m.end() for m in pattern.finditer(part) if m.end() < len(part)]
            for pattern in (_CLAUSE_END, _SPACE)
        )
        at_segment_ends = [at for at in clauses if span.start + at in self._segment_ends]
        places = at_segment_ends or clauses or spaces
        if places:
            return self._cut(span, span.start + min(places, key=lambda at: abs(at - middle)))
        if len(part) > 1 and without_spaces(self._language):
            return self._cut(span, span.start + len(part) // 2)
        return None

    def _cut(self, span: Span, at: int) -> tuple[Span, Span]:
        head = self.text[span.start : at].rstrip()
        tail = self.text[at : span.end].lstrip()
        return Span(span.start, span.start + len(head)), Span(span.end - len(tail), span.end)

    def _cut_at_speakers(self, span: Span) -> Iterator[Span]:
        for at in self._changes:
            if span.start < at < span.end:
                head, span = self._cut(span, at)
                yield head
        yield span

    def _cut_at_pauses(self, span: Span) -> Iterator[Span]:
        anywhere = not _SENTENCE_MARK.search(self.text)
        for at, seconds in self._pauses(span):
            if seconds >= PAUSE_SECONDS and (anywhere or ENDS_SENTENCE.search(self.text, span.start, at)):
                head, span = self._cut(span, at)
                yield head
        yield span

    def _shorten(self, span: Span) -> Iterator[Span]:
        halves = self.halve(span) if self._is_long(span) else None
        if halves is None:
            yield span
        else:
            for half in halves:
                yield from self._shorten(half)

    def _is_long(self, span: Span) -> bool:
        part = self.text[span.start : span.end]
        if without_spaces(self._language):
            return len(part) > MAX_CHARACTERS
        return len(part.split()) > MAX_WORDS

    def _pauses(self, span: Span) -> Iterator[tuple[int, float]]:
        """Where a word within a stretch follows a silence, and the seconds of that."""
        first, end = bisect_right(self._begins, span.start), bisect_left(self._begins, span.end)
        for before, after in pairwise(self._anchors[max(first - 1, 0) : end]):
            yield after.begin, after.start - before.stop


def _find_changes(text: str, segments: Sequence[Segment]) -> list[int]:
    """Return the places of a text where another speaker begins."""
    changes, position = list[int](), 0
    for before, segment in pairwise([None, *(segment for segment in segments if segment.text)]):
        assert segment is not None
        begin = text.find(segment.text, position)
        if begin < 0:
            return []
        if before is not None and segment.speaker != before.speaker:
            changes.append(begin)
        position = begin + len(segment.text)
    return changes


def _find_anchors(text: str, segments: Sequence[Segment]) -> tuple[list[_Anchor], set[int]]:
    """Return the anchors of a text, and the places where its segments end."""
    anchors: list[_Anchor] = []
    ends: set[int] = set()
    position = 0
    spoken = [segment for segment in segments if segment.text]
    for segment in spoken:
        begin = text.find(segment.text, position)
        if begin < 0:  # the text is not what the segments say: its length is all that is known
            return [_Anchor(0, len(text), spoken[0].start, spoken[-1].end)], set()
        position = begin + len(segment.text)
        ends.add(position)
        words = _find_words(segment, begin)
        anchors += words or [_Anchor(begin, position, segment.start, segment.end)]
    return anchors, ends


def _find_words(segment: Segment, begin: int) -> list[_Anchor]:
    anchors: list[_Anchor] = []
    position = 0
    for word in segment.words:
        spelled = word.text.strip()
        at = segment.text.find(spelled, position)
        if at < 0:
            return []
        position = at + len(spelled)
        if spelled:
            anchors.append(_Anchor(begin + at, begin + position, word.start, word.end))
    return anchors
