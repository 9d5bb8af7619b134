"""Words held to the speech around them.

Whisper ends the last word before a pause up to a second before the voice, and begins the first one
after it in the pause. Speech is what voice activity detection finds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from components.recognition.vad.windows import Span
from components.records import Segment, Word

MARGIN_SECONDS = 0.4
"""A word may begin so long before the speech: weak beginnings are not detected."""
LONGEST_SECONDS = 1.5
"""A word is prolonged by that much at most: in what is longer, words were left out."""


def hold_to_speech(segments: Sequence[Segment], speech: Sequence[Span]) -> tuple[Segment, ...]:
    """Return segments whose words begin and end with the speech that they stand in, in the same order.

    Args:
        segments: of a text, with their words.
        speech: of the same audio, in order.
    """
    words = [word for segment in segments for word in segment.words]
    begins = [span.start for span in speech]
    places = [bisect_left(begins, word.end) - 1 for word in words]
    held, clock = list[Word](), 0.0
    for word, (place, following) in zip(words, pairwise([*places, len(speech)]), strict=True):
        start, end = max(word.start, clock), word.end
        if place >= 0 and speech[place].end > word.start:
            start = max(start, round(speech[place].start - MARGIN_SECONDS, 2))
            if following != place:
                end = max(end, round(min(speech[place].end, end + LONGEST_SECONDS), 2))
        clock = end = max(start, end)
        held.append(word.model_copy(update={"start": start, "end": end}))
    left = iter(held)
    return tuple(_with_words(segment, [next(left) for _ in segment.words]) for segment in segments)


def _with_words(segment: Segment, words: Sequence[Word]) -> Segment:
    if not words:
        return segment
    return segment.model_copy(update={"start": words[0].start, "end": words[-1].end, "words": tuple(words)})
