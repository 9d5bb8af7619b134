"""Word documents (.docx): a table with a row per stretch or line, for people who review and correct."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.export.documents.word_table import Column, Runs, build_table
from components.export.format import ExportSettings, Format
from components.export.recording_text import RecordingText, TextPart
from components.export.subtitles.cue import Cue
from components.export.subtitles.timed_words import TimedWord
from components.text.languages import english_name, is_undetermined

_TIME_WIDTH, _SPEAKER_WIDTH, _TEXT_WIDTH = 2.0, 2.5, 10.0
"""Relative widths of columns."""


def encode_document(text: RecordingText, *, bilingual: bool = False, low: float | None = None) -> bytes:
    """Yield the texts of one recording as a table: time, speaker, source and text, as far as there are any.

    A row is a stretch of speech, else a line; what was quarantined has an empty text, to be filled in.

    Args:
        text: of a recording, or of a text's lines.
        bilingual: with a column of the source.
        low: words whose confidence is below it are highlighted.
    """
    has_source = bilingual and text.is_translation
    has_speaker = text.has_speakers or any(part.utterance.speaker for part in text.parts)
    columns = [
        *([Column("time", _TIME_WIDTH)] if text.timed else ()),
        *([Column("speaker", _SPEAKER_WIDTH)] if has_speaker else ()),
        *([_text_column("source", text.source_language)] if has_source else ()),
        _text_column("text", text.language),
    ]

    def rows() -> Iterator[list[Runs]]:
        for part in text.parts:
            for time, speaker, source, runs in _rows_of_part(part, low):
                yield [
                    *([_plain(time)] if text.timed else ()),
                    *([_plain(speaker)] if has_speaker else ()),
                    *([_plain(source)] if has_source else ()),
                    runs,
                ]

    return build_table(text.name, columns, rows(), wide=has_source)


def _text_column(name: str, language: str) -> Column:
    if is_undetermined(language):
        return Column(name, _TEXT_WIDTH)
    return Column(english_name(language), _TEXT_WIDTH, language)


def _plain(text: str) -> Runs:
    return [(text, False)]


def _rows_of_part(part: TextPart, low: float | None) -> Iterator[tuple[str, str, str, Runs]]:
    """Time, speaker, source and text of every stretch of an utterance, or of the utterance."""
    own = part.utterance.speaker or ""
    if part.segments:
        for segment, source in zip(part.segments, part.segment_sources, strict=True):
            yield _clock(segment.start), segment.speaker or own, source, _runs_of_words(segment.words, low)
    else:
        time = "" if part.utterance.audio is None else _clock(part.utterance.audio.offset)
        yield time, own, part.source or "", _runs_of_text(part, low)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _runs_of_words(words: Sequence[TimedWord], low: float | None) -> Runs:
    """Return words as pieces that are doubtful throughout, or not at all."""
    runs: list[tuple[str, bool]] = []
    for word in words:
        text = (" " if word.spaced and runs else "") + word.text
        doubtful = low is not None and word.confidence is not None and word.confidence < low
        if runs and runs[-1][1] == doubtful:
            runs[-1] = (runs[-1][0] + text, doubtful)
        else:
            runs.append((text, doubtful))
    return runs


def _runs_of_text(part: TextPart, low: float | None) -> Runs:
    """Return a text without times: by the probabilities of its words where it has them, else by its own."""
    words = part.text.split()
    confidences: Sequence[float | None] = part.word_confidences
    if len(confidences) != len(words):
        confidences = [part.confidence] * len(words)
    timeless = [TimedWord(0, 0, word, confidence=sure) for word, sure in zip(words, confidences, strict=True)]
    return _runs_of_words(timeless, low)


def _encode(texts: Sequence[RecordingText], _: Sequence[Cue], settings: ExportSettings) -> bytes:
    return encode_document(texts[0], bilingual=settings.bilingual, low=settings.low)


DOCUMENT = Format("a table in a Word document", _encode)
