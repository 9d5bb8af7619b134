"""The formats of texts, and the files of one node in them: what each holds and how it is named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from components.export.format import ExportSettings, Format
from components.export.format_names import TextFormat
from components.export.recording_text import RecordingText
from components.export.subtitles.cue import Cue
from components.extensions import Extensions, accept_object
from components.files.file_names import safe_name
from components.text.languages import is_undetermined

FORMATS: Extensions[Format] = Extensions("antiphon.formats", "format", accept_object(Format))
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
    """Yield the files of one node, recording by recording; tables of all of them come last.

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
        layout = FORMATS[form].layout
        if layout is None:
            counted: Sequence[Cue] = ()
        elif not text.timed:
            continue
        else:
            counted = (
                () if cues is not None else layout.lay_out(text, settings)
            )  # checked once, written twice
            cues = counted if cues is None else cues
        content = FORMATS[form].encode([text], cues or (), settings)
        is_missing = all(part.quarantined is not None for part in text.parts)
        yield TextFile((text.name, _label(text, settings), form), text.node, content, counted, is_missing)


def _label(text: RecordingText, settings: ExportSettings) -> str:
    """The language of a text, both languages of a bilingual one; the node where the language is not known."""
    if is_undetermined(text.language):
        return safe_name(text.node)
    both = settings.bilingual and text.is_translation and not is_undetermined(text.source_language)
    return safe_name(f"{text.source_language}-{text.language}" if both else text.language)
