"""Times of texts that take the place of others."""

from __future__ import annotations

from collections.abc import Sequence

from components.records import Segment
from components.text.matching.resegmentation import resegment


def retime(text: str, language: str, segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Give a changed text the times of the text before it.

    Args:
        text: the changed text, in the language of the one before.
        language: of both.
        segments: of the text before, with its times.

    Returns:
        Segments of the same times with the words of ``text``, without those that have none now. One whose
        text is the same keeps its words and its confidence.
    """
    pieces = resegment(text, [segment.text for segment in segments], language)
    return tuple(
        segment if segment.text == piece else Segment(start=segment.start, end=segment.end, text=piece)
        for segment, piece in zip(segments, pieces, strict=True)
        if piece
    )
