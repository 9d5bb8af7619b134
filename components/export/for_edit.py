"""Files for editing: a node's texts as a table or as subtitles, which ``antiphon edit`` reads back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from components.data.files.subtitles import BACKSLASH
from components.editing.editable_text import (
    EditableText,
    Recording,
    certainty_of,
    cue_times,
    group_by_recording,
)
from components.editing.edited_files import DOCUMENTS, SUBTITLES, TABLES
from components.editing.edited_table import COLUMNS, ID, TEXT
from components.errors import ConfigError
from components.export.documents.word_table import Column, build_table
from components.files.files import write_atomically
from components.files.locations.location import file_name_of
from components.text.languages import UNDETERMINED, is_undetermined
from components.text.table_cells import guard_cell, guard_id, join_cells, normalize_spaces

EditFormat = Literal["tsv", "docx", "srt"]
"""What the texts of a node can be edited as."""


def write_for_edit(
    texts: Mapping[str, EditableText], form: EditFormat, path: Path, node: str, *, overwrite: bool = False
) -> list[Path]:
    """Write a node's texts into files that a person can edit and return the files.

    Args:
        texts: the node's, by utterance id.
        form: of the files.
        path: a file, by its ending; else a folder, which gets NODE.tsv, NODE.docx or subtitles by recording.
        node: its name, for messages.
        overwrite: whether files may be replaced that hold something else, such as somebody's work.

    Raises:
        ConfigError: subtitles of what is not one recording's speech, or a file that holds something else.
    """
    if form == "tsv":
        table = path if _is_file(path) else path / f"{node}.tsv"
        files = {table: render_table(texts.values()).encode()}
    elif form == "docx":
        document = path if _is_file(path) else path / f"{node}.docx"
        files = {document: render_document(list(texts.values()), node)}
    else:
        files = {file: text.encode() for file, text in _name_subtitles(texts, path, node).items()}
    for file, content in files.items():
        if file.is_dir() or (file.exists() and not overwrite and file.read_bytes() != content):
            raise ConfigError(
                f"{file}: expected no such file, or one with these texts, found another; it may hold edits: "
                "say another --out, or --overwrite it"
            )
    for file, content in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, content)
    return list(files)


def _is_file(path: Path) -> bool:
    return path.suffix.lower() in SUBTITLES + TABLES + DOCUMENTS and not path.is_dir()


def _name_subtitles(texts: Mapping[str, EditableText], path: Path, node: str) -> dict[Path, str]:
    """Return the subtitles of each recording by their files."""
    recordings = group_by_recording(texts)
    if not recordings:
        raise ConfigError(f"--format: expected tsv, since the texts of {node} have no times, found srt")
    if not _is_file(path):
        return {path / f"{name}.srt": render_subtitles(each) for name, each in recordings.items()}
    if len(recordings) > 1:
        raise ConfigError(
            f"--out: expected a folder for subtitles of {len(recordings)} recordings, found the file {path}"
        )
    (only,) = recordings.values()
    return {path: render_subtitles(only)}


def render_table(texts: Iterable[EditableText]) -> str:
    """Return the table: id and text, which are read back, and what helps to judge the text."""
    rows = [join_cells(COLUMNS)]
    for text in texts:
        source = text.source or _name_speech(text)
        cells = (guard_cell(text.text), guard_cell(source), f"{certainty_of(text.hypothesis):.3f}")
        rows.append(join_cells((guard_id(text.id), *cells)))
    return "".join(row + "\n" for row in rows)


def render_document(texts: Sequence[EditableText], title: str) -> bytes:
    """Return a Word document with the table of ids, sources and texts, of which ids and texts are read back.

    Raises:
        ConfigError: python-docx is not installed.
    """

    def column(name: str, languages: Iterable[str | None]) -> Column:
        language = next(iter(languages), None) or UNDETERMINED
        return Column(name, 5.0, None if is_undetermined(language) else language)

    sources = column("source", (text.utterance.source_language for text in texts))
    own = column(TEXT, (_language_of(text) for text in texts))
    rows = (
        [[(cell, False)] for cell in (text.id, text.source or _name_speech(text), text.text)]
        for text in texts
    )
    return build_table(title, [Column(ID, 2.0), sources, own], rows, wide=True)


def _language_of(text: EditableText) -> str | None:
    is_transcript = text.source is None
    return text.utterance.source_language if is_transcript else text.utterance.target_language


def _name_speech(text: EditableText) -> str:
    """Return the name of an utterance's recording, with the seconds where it is a stretch of it."""
    audio = text.utterance.audio
    if audio is None:
        return ""
    stretch = f" {audio.offset:.1f}-{audio.offset + audio.seconds:.1f} s" if audio.offset else ""
    return f"{file_name_of(audio.path)}{stretch}"


def render_subtitles(recording: Recording) -> str:
    """Return the subtitles of a recording in SRT: a cue for each segment, its times those of the file."""
    import pysubs2  # noqa: PLC0415 - only where subtitles are written

    subtitles = pysubs2.SSAFile()
    for text in recording.texts:
        for segment in text.segments:
            start, end = cue_times(text, segment)
            line = normalize_spaces(segment.text).replace("\\", BACKSLASH)
            subtitles.events.append(pysubs2.SSAEvent(start=start, end=end, text=line))
    return subtitles.to_string("srt", keep_ssa_tags=True).replace(BACKSLASH, "\\")
