"""The words of an edited text, given to the segments of the text before, so that their times stay."""

from __future__ import annotations

import re
from collections.abc import Sequence

from components.alignment import align
from components.records import Segment


def split_units(text: str) -> list[str]:
    """Return a text's words, each with the space before it; letters where it is written without spaces."""
    stripped = text.strip()
    return re.findall(r"\s*\S+", stripped) if " " in stripped else list(stripped)


def distribute_text(segments: Sequence[Segment], text: str) -> tuple[Segment, ...]:
    """Return segments that hold ``text``: each word is in the segment of the word that it was aligned with.

    A segment whose text stays is kept with the times of its words; one that changes loses these, and one
    that is left without words is dropped.

    Args:
        segments: of the text before, in order.
        text: the text that counts.
    """
    if not segments or not text.strip():
        return ()
    if len(segments) == 1:
        return (replace_text(segments[0], text.strip()),)
    spaced = any(" " in segment.text.strip() for segment in segments) or " " in text.strip()
    cut = split_units if spaced else list
    owners = [number for number, segment in enumerate(segments) for _ in cut(segment.text.strip())]
    before = [unit.strip() for segment in segments for unit in cut(segment.text.strip())]
    units = list(cut(text.strip()))
    pieces = [""] * len(segments)
    old = new = owner = 0
    for column in align(before, [unit.strip() for unit in units]):
        if column.reference is not None:
            owner = owners[old]
            old += 1
        if column.hypothesis is not None:
            pieces[owner] += units[new]
            new += 1
    return tuple(
        replace_text(segment, piece.strip())
        for segment, piece in zip(segments, pieces, strict=True)
        if piece.strip()
    )


def replace_text(segment: Segment, text: str) -> Segment:
    """Return a segment with another text, without the words and the likelihood of the one before."""
    if segment.text == text:
        return segment
    return Segment(start=segment.start, end=segment.end, text=text)
