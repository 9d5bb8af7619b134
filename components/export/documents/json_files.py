"""JSON of texts: a line per utterance, or a document per recording in the form of openai-whisper's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from components.export.format import Format
from components.export.recording_text import RecordingText, TextPart, TimedSegment
from components.text.languages import without_spaces

Fields = dict[str, Any]


def encode_jsonl(texts: Sequence[RecordingText]) -> bytes:
    """Return a line per utterance of several recordings: its text with its stretches and their words."""
    return b"".join(
        _encode({"recording": text.name, **_part_fields(part)}) + b"\n"
        for text in texts
        for part in text.parts
    )


def encode_json(text: RecordingText) -> bytes:
    """Encode one recording: ``text``, ``language`` and ``segments`` as openai-whisper does, and more."""
    parts = [part for part in text.parts if part.quarantined is None]
    segments: list[Fields] = []
    for part in parts:
        for segment, source in zip(part.segments, part.segment_sources, strict=True):
            fields = {"id": len(segments), **_segment_fields(segment), "utterance": part.utterance.id}
            segments.append(fields if part.source is None else {**fields, "source": source})
    document = {
        "text": ("" if without_spaces(text.language) else " ").join(p.text for p in parts if p.text),
        "language": text.language,
        "recording": text.name,
        "node": text.node,
        "segments": segments,
        "utterances": [_part_fields(part, nested=False) for part in text.parts],
    }
    return json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"


def _part_fields(part: TextPart, *, nested: bool = True) -> Fields:
    fields: Fields = {
        "id": part.utterance.id,
        "language": part.language,
        "speaker": part.utterance.speaker,
        "text": part.text,
        "source": part.source,
        "source_language": part.source_language if part.source is not None else None,
        "confidence": part.confidence,
        **part.estimates,
        "word_confidences": part.word_confidences or None,
        "quarantined": part.quarantined and part.quarantined.model_dump(exclude={"utterance_id"}),
        "segments": [_segment_fields(segment) for segment in part.segments] if nested else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _segment_fields(segment: TimedSegment) -> Fields:
    fields: Fields = {"start": round(segment.start, 3), "end": round(segment.end, 3), "text": segment.text}
    if segment.speaker is not None:
        fields["speaker"] = segment.speaker
    if segment.confidence is not None:
        fields["confidence"] = segment.confidence
    if segment.has_word_times:
        fields["words"] = [
            {
                "word": (" " if word.spaced else "") + word.text,
                "start": round(word.start, 3),
                "end": round(word.end, 3),
                "probability": word.confidence,
            }
            for word in segment.words
        ]
    return fields


def _encode(fields: Fields) -> bytes:
    return json.dumps(fields, ensure_ascii=False, allow_nan=False).encode()


JSONL = Format("a line per utterance", lambda texts, *_: encode_jsonl(texts), is_table=True)
JSON = Format("one recording, as openai-whisper writes it", lambda texts, *_: encode_json(texts[0]))
