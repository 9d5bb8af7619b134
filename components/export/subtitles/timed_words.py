"""Texts with times as words with times: what cues are cut from.

Words of a recognizer keep its times. Where there are none, the words of a text are spread over the stretches
of time in which it is said, in proportion to their width. A *word* is what no line break may divide: text
between spaces, and in scripts without spaces a letter with the punctuation that belongs to it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from rich.cells import cell_len

from components.records import Segment

Span = tuple[float, float]
"""Start and end in seconds."""

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffe\uffff]"
)
_NOT_FIRST = "ーぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶ々〻ゝゞヽヾ"
"""Japanese letters that no line begins with (JIS X 4051), beside closing punctuation."""
_UNDIVIDED = re.compile("[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]")
"""Thai, Lao, Tibetan, Burmese, Khmer: no spaces between words, and no rule where a word ends."""
_MAX_UNDIVIDED = 10
"""Columns of these scripts after which a line may break."""


@dataclass(frozen=True)
class TimedWord:
    """A word in a recording.

    Attributes:
        start: seconds into the recording at which it begins.
        end: and at which it ends.
        text: without space around it.
        spaced: whether a space stands before it, unless it begins a line.
        confidence: its probability, 0 to 1, where it is known.
        is_label: whether it is the name of who speaks, which formats with a place for it leave out.
    """

    start: float
    end: float
    text: str
    spaced: bool = True
    confidence: float | None = None
    is_label: bool = False

    @cached_property
    def width(self) -> int:
        """Columns that it takes, with the space before it."""
        return cell_len(self.text) + self.spaced


def width_of(words: Sequence[TimedWord]) -> int:
    """Return columns of words on one line."""
    return sum(word.width for word in words) - (words[0].spaced if words else 0)


def join_words(words: Sequence[TimedWord]) -> str:
    """Return the text of words on one line."""
    return "".join((" " if word.spaced else "") + word.text for word in words).strip()


def clean_text(text: str) -> str:
    """Return a text on one line, without control characters and without marks that reorder what one reads."""
    return " ".join(_HIDDEN.sub(" ", text).split())


def words_of_segment(segment: Segment, offset: float, confidence: float | None) -> list[TimedWord]:
    """Return the words of a segment, ``offset`` seconds into the recording.

    The segment's own words count where they are its text; those of a text that was changed since do not.

    Args:
        segment: with times from the start of its utterance.
        offset: of the utterance.
        confidence: of words that have no probability of their own.
    """
    joined = "".join(word.text for word in segment.words)
    if not segment.words or clean_text(joined) != clean_text(segment.text):
        return spread_text(segment.text, [(segment.start + offset, segment.end + offset)], confidence)
    words: list[TimedWord] = []
    for word in segment.words:
        sure = confidence if word.probability is None else word.probability
        spread = spread_text(word.text, [(word.start + offset, word.end + offset)], sure)
        begins = not words or word.text[:1].isspace()
        if spread and not begins and not _may_break(words[-1].text, spread[0].text):
            first, last = spread.pop(0), words.pop()
            spread.insert(0, _glue(last, first))
        elif spread:
            spread[0] = replace(spread[0], spaced=begins)
        words += spread
    return words


def spread_text(text: str, spans: Sequence[Span], confidence: float | None = None) -> list[TimedWord]:
    """Return the words of a text over stretches of time, each as long as its share of the columns.

    Args:
        text: any text; white space is made one space.
        spans: when it is said, in order, at least one; silence between them is left out.
        confidence: of every word.
    """
    pieces = list(_divide(clean_text(text)))
    widths = [cell_len(piece) + (spaced and number > 0) for number, (piece, spaced) in enumerate(pieces)]
    total, clock = sum(widths) or 1, _Clock(spans)
    words, before = [], 0
    for (piece, spaced), width in zip(pieces, widths, strict=True):
        start = clock.at(before / total)
        before += width
        end = max(start, clock.at(before / total, ends=True))  # a mark without width ends where it begins
        words.append(TimedWord(start, end, piece, spaced, confidence))
    return words


class _Clock:
    """The time at a share of the speech in stretches of time."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans
        self._total = sum(end - start for start, end in spans)

    def at(self, share: float, *, ends: bool = False) -> float:
        """Return the time; at a border of two stretches the end of the first for what ``ends`` there."""
        left = share * self._total
        for start, end in self._spans:
            seconds = end - start
            if left < seconds - 1e-9 or (ends and left <= seconds + 1e-9):
                return start + min(left, seconds)
            left -= seconds
        return self._spans[-1][1]


def _divide(text: str) -> Iterable[tuple[str, bool]]:
    """Yield the pieces of a text between which a line may break, and whether a space stands before each."""
    for chunk in text.split():
        start = 0
        for position in range(1, len(chunk)):
            piece = chunk[start:position]
            if _may_break(piece, chunk[position:]):
                yield piece, start == 0
                start = position
        yield chunk[start:], start == 0


def _may_break(before: str, after: str) -> bool:
    """Return whether a line may break between two letters that no space divides."""
    last, first = before[-1], after[0]
    if _closes(first) or unicodedata.category(last) in ("Ps", "Pi"):
        return False
    if _is_ideographic(last) or _is_ideographic(first):
        return True
    undivided = _UNDIVIDED.match(last) and _UNDIVIDED.match(first)
    return bool(undivided) and cell_len(before) >= _MAX_UNDIVIDED


def _closes(letter: str) -> bool:
    category = unicodedata.category(letter)
    return category in ("Pe", "Pf", "Po") or category.startswith("M") or letter in _NOT_FIRST


def _is_ideographic(letter: str) -> bool:
    """Return whether it is a wide letter of a script without spaces; Korean has spaces."""
    hangul = "\uac00" <= letter <= "\ud7a3"
    return (
        unicodedata.east_asian_width(letter) in "WF" and unicodedata.category(letter) == "Lo" and not hangul
    )


def _glue(first: TimedWord, second: TimedWord) -> TimedWord:
    """Return two parts of one word, as sure as the less sure of them."""
    known = [word.confidence for word in (first, second) if word.confidence is not None]
    text, end = first.text + second.text, max(first.end, second.end)
    return replace(first, text=text, end=end, confidence=min(known, default=None))
