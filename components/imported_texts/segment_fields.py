"""Segments as JSON, as openai-whisper, WhisperX and ``antiphon export --format jsonl`` write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.records import Segment, Word


def read_segments(values: Sequence[Mapping[str, Any]]) -> list[Segment]:
    """Return segments with the times that they have in the file.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: one has no start, end or text, or other values.
    """
    segments = []
    for value in values:
        text, speaker = " ".join(value["text"].split()), value.get("speaker")
        segment = Segment(
            start=value["start"],
            end=value["end"],
            text=text,
            speaker=speaker if isinstance(speaker, str) else None,
        )
        segments.append(segment.model_copy(update={"words": _read_words(value.get("words"), segment)}))
    return segments


def _read_words(values: Any, segment: Segment) -> tuple[Word, ...]:
    """Return the words of a segment; none where they are not its text, or no time is known of any.

    A word without times (WhisperX gives numbers none) is said between those beside it.
    """
    rows = [row for row in values if isinstance(row, dict)] if isinstance(values, list) else []
    if not any("start" in row for row in rows):
        return ()
    words, position, clock = list[Word](), 0, segment.start
    for number, row in enumerate(rows):
        spelled = " ".join(str(row.get("word", "")).split())
        at = segment.text.find(spelled, position)
        if at < 0:
            return ()
        until = len(segment.text) if number == len(rows) - 1 else at + len(spelled)
        start = row.get("start", clock)
        following = (later["start"] for later in rows[number + 1 :] if "start" in later)
        clock = row["end"] if "end" in row else max(start, next(following, segment.end))
        text, position = segment.text[position:until], until
        words.append(Word(start=start, end=clock, text=text, probability=row.get("probability")))
    return tuple(words)


def write_segment(segment: Segment, offset: float) -> dict[str, Any]:
    """Return the fields of a segment of an utterance that begins at ``offset`` of its recording."""
    fields: dict[str, Any] = {**_write_times(segment, offset), "text": segment.text}
    if segment.speaker is not None:
        fields["speaker"] = segment.speaker
    if segment.words:
        fields["words"] = [
            {"word": word.text, **_write_times(word, offset), "probability": word.probability}
            for word in segment.words
        ]
    return fields


def _write_times(piece: Segment | Word, offset: float) -> dict[str, float]:
    return {"start": round(piece.start + offset, 3), "end": round(piece.end + offset, 3)}
