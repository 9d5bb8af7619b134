"""The formats of texts, and the files of one node in them: what each holds and how it is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from components.export.documents.json_files import encode_json, encode_jsonl
from components.export.documents.plain_text import encode_text
from components.export.documents.tables import encode_parquet, encode_tsv
from components.export.documents.word_document import encode_document
from components.export.format_names import TextFormat
from components.export.recording_text import RecordingText, words_of
from components.export.subtitles.cues import Cue, build_cues_of_blocks
from components.export.subtitles.rules import SubtitleRules
from components.export.subtitles.subtitle_files import SubtitleFormat, encode_subtitles
from components.files.file_names import safe_name
from components.text.languages import is_undetermined


@dataclass(frozen=True)
class ExportSettings:
    """How texts are written.

    Attributes:
        rules: of subtitles.
        bilingual: translations with their sources.
        low: words whose confidence is below it are marked; None: none.
    """

    rules: SubtitleRules = field(default_factory=SubtitleRules)
    bilingual: bool = False
    low: float | None = None


class Format(NamedTuple):
    """A format: what writes it, and whether one file holds all recordings. Subtitles are for speech alone."""

    summary: str
    encode: Callable[[Sequence[RecordingText], Sequence[Cue], ExportSettings], bytes]
    is_table: bool = False
    is_subtitle: bool = False


def _encode_txt(texts: Sequence[RecordingText], _: Sequence[Cue], settings: ExportSettings) -> bytes:
    return encode_text(texts[0], bilingual=settings.bilingual, low=settings.low)


def _encode_docx(texts: Sequence[RecordingText], _: Sequence[Cue], settings: ExportSettings) -> bytes:
    return encode_document(texts[0], bilingual=settings.bilingual, low=settings.low)


def _encode_subtitles(
    form: SubtitleFormat, _: Sequence[RecordingText], cues: Sequence[Cue], settings: ExportSettings
) -> bytes:
    return encode_subtitles(cues, form, low=settings.low).encode()


FORMATS: dict[TextFormat, Format] = {
    "txt": Format("plain text", _encode_txt),
    "docx": Format("a table in a Word document", _encode_docx),
    "srt": Format("subtitles, SubRip", partial(_encode_subtitles, "srt"), is_subtitle=True),
    "vtt": Format("subtitles, WebVTT", partial(_encode_subtitles, "vtt"), is_subtitle=True),
    "tsv": Format("a table for spreadsheets", lambda texts, *_: encode_tsv(texts), is_table=True),
    "jsonl": Format("a line per utterance", lambda texts, *_: encode_jsonl(texts), is_table=True),
    "json": Format("one recording, as openai-whisper writes it", lambda texts, *_: encode_json(texts[0])),
    "parquet": Format("a typed table", lambda texts, *_: encode_parquet(texts), is_table=True),
}
"""Every format by the extension of its files."""


class TextFile(NamedTuple):
    """A file to write.

    Attributes:
        parts: stem, label and extension of its name.
        node: whose texts it holds.
        content: of the file.
        cues: its subtitles.
        is_missing: whether all that it would hold was quarantined.
    """

    parts: tuple[str, str, str]
    node: str
    content: bytes
    cues: Sequence[Cue] = ()
    is_missing: bool = False


def encode_files(
    texts: Iterable[RecordingText], formats: Sequence[TextFormat], settings: ExportSettings, set_name: str
) -> Iterator[TextFile]:
    """The files of one node, recording by recording; tables of all of them come last.

    Args:
        texts: of the node.
        formats: to write. Texts that were never spoken have no subtitles.
        settings: how.
        set_name: of tables that hold several recordings.
    """
    tables = [form for form in formats if FORMATS[form].is_table]
    gathered: list[RecordingText] = []
    for text in texts:
        yield from _encode_recording(text, [form for form in formats if form not in tables], settings)
        if tables:
            gathered.append(text)
    if gathered:
        stem = gathered[0].name if len(gathered) == 1 else safe_name(set_name)
        labels = {_label(text, settings) for text in gathered}
        label = labels.pop() if len(labels) == 1 else safe_name(gathered[0].node)
        for form in tables:
            content = FORMATS[form].encode(gathered, (), settings)
            yield TextFile((stem, label, form), gathered[0].node, content)


def _encode_recording(
    text: RecordingText, formats: Sequence[TextFormat], settings: ExportSettings
) -> Iterator[TextFile]:
    cues: Sequence[Cue] | None = None
    for form in formats:
        if not FORMATS[form].is_subtitle:
            counted: Sequence[Cue] = ()
        elif not text.timed:
            continue
        else:
            counted = () if cues is not None else _cues_of(text, settings)  # checked once, written twice
            cues = counted if cues is None else cues
        content = FORMATS[form].encode([text], cues or (), settings)
        is_missing = all(part.quarantined is not None for part in text.parts)
        yield TextFile((text.name, _label(text, settings), form), text.node, content, counted, is_missing)


def _cues_of(text: RecordingText, settings: ExportSettings) -> list[Cue]:
    """Subtitles of a recording; those of each part of a film's alone, where its own cues ended."""
    spoken = any(part.utterance.audio is not None for part in text.parts)
    groups = [text.parts] if spoken else [[part] for part in text.parts]
    own = [words_of([segment for part in parts for segment in part.segments]) for parts in groups]
    if not (settings.bilingual and text.is_translation):
        return build_cues_of_blocks([(words, ()) for words in own], text.language, settings.rules)
    sources = [words_of([segment for part in parts for segment in part.source_segments]) for parts in groups]
    blocks = zip(sources, own, strict=True)
    return build_cues_of_blocks(blocks, text.source_language, settings.rules, text.language)


def _label(text: RecordingText, settings: ExportSettings) -> str:
    """The language of a text, both languages of a bilingual one; the node where the language is not known."""
    if is_undetermined(text.language):
        return safe_name(text.node)
    both = settings.bilingual and text.is_translation and not is_undetermined(text.source_language)
    return safe_name(f"{text.source_language}-{text.language}" if both else text.language)
