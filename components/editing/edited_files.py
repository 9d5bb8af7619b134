"""Edited files of a node's texts -> corrections, whatever program saved them and in whatever encoding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from components.audio.container import read_regular_file
from components.editing.correction import Correction
from components.editing.editable_text import EditableText, Recording, group_by_recording
from components.editing.edited_document import read_document_rows
from components.editing.edited_subtitles import read_edited_subtitles
from components.editing.edited_table import propose_texts, read_edited_table
from components.editing.proposal import Proposal
from components.errors import ConfigError, DataError
from components.text.suggestions import did_you_mean
from components.text.text_encoding import MAX_BYTES, DecodedText, decode_text

SUBTITLES = (".srt",)
DOCUMENTS = (".docx",)
TABLES = (".tsv", ".txt", ".jsonl")
"""Suffixes of the files that can be read; a spreadsheet saves tab-separated text as .txt."""


@dataclass(frozen=True)
class Edits:
    """What edited files change.

    Attributes:
        corrections: a text for each utterance whose text or times changed.
        notes: what a person should know of how the files were read, a line each.
    """

    corrections: list[Correction] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Origin:
    """Where corrections come from: of whose text, in which stage, by whom, and when (ISO 8601, UTC)."""

    node: str
    stage: str
    by: str
    at: str


def read_edits(
    path: Path,
    texts: Mapping[str, EditableText],
    origin: Origin,
    language: str | None,
    *,
    unchanged_right: bool = False,
) -> Edits:
    """Return what an edited file, or every such file of a folder, changes in a node's texts.

    Args:
        path: a .tsv, .jsonl, .docx or .srt file, or a folder of .srt files.
        texts: what the node gave, by utterance id.
        origin: of the corrections.
        language: code of the texts' language.
        unchanged_right: the other texts of a table were read, too, and are right: corrections that keep them.

    Raises:
        ConfigError: a file cannot be read or mapped to utterances (the message names its line), or nothing
            was changed.
    """
    edits = Edits()
    files = list_edited_files(path)
    if unchanged_right and files[0].suffix.lower() in SUBTITLES:
        raise ConfigError(f"--unchanged-right: expected a .tsv, .jsonl or .docx file, found {path}")
    for file in files:
        content = _read_file(file)
        if file.suffix.lower() in DOCUMENTS:
            rows = read_document_rows(file, content)
            proposals = propose_texts(file, rows, texts, origin.node, approve=unchanged_right)
        else:
            decoded = decode_text(content, file.name, language)
            if decoded.encoding is not None:
                edits.notes.append(f"{file.name}: read as {decoded.encoding}, since it is not UTF-8")
            if file.suffix.lower() in TABLES:
                proposals = read_edited_table(file, decoded, texts, origin.node, approve=unchanged_right)
            else:
                proposals = _read_cues(file, decoded, texts, origin.node, len(files), edits.notes)
        for proposal in proposals:
            digest = sha256(content).hexdigest()
            edits.corrections.append(_make_correction(proposal, texts, origin, file.name, digest))
    if not edits.corrections:
        raise ConfigError(
            f"{path}: expected a text that was changed, found all as {origin.node} gave them; "
            "--unchanged-right keeps them as right"
        )
    return edits


def list_edited_files(path: Path) -> list[Path]:
    """Return the files to read: the one that is named, or the subtitles in a folder.

    Raises:
        ConfigError: there is none, or it is of another type.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUBTITLES)
        if not files:
            raise ConfigError(f"{path}: expected a folder of .srt files, found none in it")
        return files
    if path.suffix.lower() not in SUBTITLES + TABLES + DOCUMENTS:
        absent = "" if path.exists() else ", found no such file; check the path"
        raise ConfigError(
            f"{path}: expected a .tsv, .jsonl, .docx or .srt file, or a folder of .srt files{absent}"
        )
    return [path]


def _read_file(path: Path) -> bytes:
    try:
        return read_regular_file(path, MAX_BYTES)
    except (OSError, DataError) as error:
        raise ConfigError(f"expected a readable file of edited texts, found {error}") from error


def _read_cues(
    file: Path,
    decoded: DecodedText,
    texts: Mapping[str, EditableText],
    node: str,
    files: int,
    notes: list[str],
) -> list[Proposal]:
    recording = find_recording(file, group_by_recording(texts), node, files)
    edited = read_edited_subtitles(file, decoded, recording)
    notes += edited.notes
    return edited.proposals


def find_recording(file: Path, recordings: Mapping[str, Recording], node: str, files: int) -> Recording:
    """Return the recording that a file of subtitles is of: by its name, or the only one.

    Raises:
        ConfigError: there is no speech, or no recording of that name.
    """
    if not recordings:
        raise ConfigError(f"{file.name}: expected a .tsv file, since the texts of {node} are not of speech")
    name = file.stem.removesuffix(f".{node}")
    if name in recordings:
        return recordings[name]
    if len(recordings) == 1 and files == 1:
        return next(iter(recordings.values()))
    raise ConfigError(
        f"{file.name}: expected the name of a recording, such as {next(iter(recordings))}.srt"
        f"{did_you_mean(name, recordings)}"
    )


def _make_correction(
    proposal: Proposal, texts: Mapping[str, EditableText], origin: Origin, file: str, digest: str
) -> Correction:
    return Correction(
        id=proposal.utterance_id,
        text=proposal.text,
        segments=proposal.segments,
        before=texts[proposal.utterance_id].text,
        node=origin.node,
        stage=origin.stage,
        by=origin.by,
        at=origin.at,
        file=file,
        file_sha256=digest,
    )
