"""Plain text: paragraphs of what was said, or a line for each line that was translated."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from components.export.format import ExportSettings, Format
from components.export.recording_text import RecordingText, TextPart, TimedSegment
from components.export.subtitles.cue import Cue
from components.export.subtitles.timed_words import TimedWord, join_words
from components.text.languages import without_spaces

PARAGRAPH_PAUSE = 2.0
"""Seconds of silence after which a new paragraph begins."""
LOW_MARK = "[?]"
"""After words of low confidence, where they are marked."""


def encode_text(text: RecordingText, *, bilingual: bool = False, low: float | None = None) -> bytes:
    """Return the texts of one recording.

    Args:
        text: of speech: a paragraph per utterance, divided at long pauses. Else: a line per line of the
            source, an empty one where a line was quarantined.
        bilingual: with the source above every paragraph or line.
        low: words whose confidence is below it are followed by ``[?]``.
    """
    write = _line_writer(low)
    if not text.timed:
        lines = [
            line
            for part in text.parts
            for line in ([""] * part.utterance.blank_lines + [_both(part.source, part.text, bilingual)])
        ]
        return ("\n".join(lines) + "\n").encode()
    paragraphs = [
        paragraph
        for part in text.parts
        if part.quarantined is None
        for paragraph in _paragraphs(part, write, bilingual=bilingual, named=text.has_speakers)
        if paragraph.strip()
    ]
    return ("\n\n".join(paragraphs) + "\n").encode()


def _both(source: str | None, text: str, bilingual: bool) -> str:
    return f"{source}\n{text}\n" if bilingual and source is not None else text


def _paragraphs(
    part: TextPart, write: Callable[[list[TimedWord]], str], *, bilingual: bool, named: bool
) -> list[str]:
    """Return the paragraphs of an utterance: one ends at a long pause, or where the speaker changes."""
    groups: list[list[tuple[TimedSegment, str]]] = []
    until, before = 0.0, None
    for segment, source in zip(part.segments, part.segment_sources, strict=True):
        speaker = segment.speaker if named else None
        if not groups or segment.start - until >= PARAGRAPH_PAUSE or speaker != before:
            groups.append([])
        before = speaker
        groups[-1].append((segment, source))
        until = segment.end
    paragraphs = []
    for group in groups:
        between = "" if without_spaces(part.language) else " "
        text = between.join(write(list(segment.words)) for segment, _ in group)
        space = "" if without_spaces(part.source_language) else " "
        above = space.join(source for _, source in group if source)
        text = f"{group[0][0].speaker}: {text}" if named and group[0][0].speaker else text
        paragraphs.append(f"{above}\n{text}" if bilingual and part.source else text)
    return paragraphs


def _line_writer(low: float | None) -> Callable[[list[TimedWord]], str]:
    def write(words: list[TimedWord]) -> str:
        if low is None:
            return join_words(words)
        text = ""
        for word in words:
            doubtful = word.confidence is not None and word.confidence < low
            text += (" " if word.spaced else "") + word.text + (LOW_MARK if doubtful else "")
        return text.strip()

    return write


def _encode(texts: Sequence[RecordingText], _: Sequence[Cue], settings: ExportSettings) -> bytes:
    return encode_text(texts[0], bilingual=settings.bilingual, low=settings.low)


TEXT = Format("plain text", _encode)
