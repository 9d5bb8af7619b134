"""Formats of outputs: those of WhisperX, openai-whisper, inspect_ai and sclite, subtitles, and tables."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from components.audio.container import read_regular_file
from components.data.files import parsing
from components.data.files.language_names import name_without_language
from components.data.files.subtitles import parse_srt, parse_vtt
from components.errors import DataError, to_one_line
from components.files.json_text import parse_json
from components.imported_texts.outputs import Outputs
from components.imported_texts.segment_fields import read_segments
from components.records import Segment, Word
from components.text.table_cells import strip_guard
from components.text.text_encoding import decode_text

MAX_BYTES = 2**28
"""Of a file of outputs."""
IDS = ("id", "utterance_id", "utterance", "audio", "audio_filepath", "file", "path", "recording", "name")
TEXTS = (
    *("text", "hypothesis", "hyp", "prediction", "pred_text", "transcript", "transcription", "translation"),
    *("output", "sentence"),
)
"""Names of columns and fields that are taken for the id and the text, the first that is there."""
_TRN = re.compile(r"(?P<text>.*)\((?P<id>[^()\s]+)\)\s*")
_COMMENT = ";;"
_TIMED = {"recording", "start", "end", "text"}


def read_outputs(file: str) -> Outputs:
    """Return the outputs in a file, or in the files of a folder, which are named for their recordings.

    Raises:
        DataError: no such file, no format for its ending, or a line that is none of its format.
    """
    path = Path(file)
    if not path.is_dir():
        return _read_file(path, alone=True).normalize_names()
    outputs = Outputs()
    files = sorted(each for each in path.iterdir() if each.suffix.lower() in READERS)
    if not files:
        raise DataError(f"{file}: expected files {', '.join(READERS)}, found none")
    for each in files:
        further = _read_file(each, alone=False)
        _add(outputs.by_id, further.by_id, each)
        _add(outputs.timed, further.timed, each)
        outputs.segments.update(further.segments)
    return outputs.normalize_names()


def _add(outputs: dict[str, Any], further: Mapping[str, Any], file: Path) -> None:
    if twice := outputs.keys() & further.keys():
        raise DataError(
            f"{file}: expected each recording once, found {sorted(twice)[0]!r} in another file, too"
        )
    outputs.update(further)


def _read_file(path: Path, *, alone: bool) -> Outputs:
    read = READERS.get(path.suffix.lower())
    if read is None and not path.exists():
        raise DataError(f"{path}: expected a file of texts or a folder of them, found none; check the path")
    if read is None:
        raise DataError(
            f"{path}: expected a file {', '.join(READERS)} or a folder of them, found {path.suffix!r}"
        )
    outputs = read(path)
    if outputs.lines and not alone:  # the text of one recording
        return Outputs(by_id={name_without_language(path): " ".join(filter(None, outputs.lines))})
    return outputs


def _text_of(path: Path) -> str:
    return decode_text(read_regular_file(str(path), MAX_BYTES), str(path)).text


def _read_lines(path: Path) -> Outputs:
    return Outputs(lines=[" ".join(line.split()) for line in _text_of(path).removesuffix("\n").split("\n")])


def _read_rows(read: Callable[[Any], Iterator[parsing.Row]]) -> Callable[[Path], Outputs]:
    def read_table(path: Path) -> Outputs:
        rows = list(_fields_of(path, read(path)))
        has_times = any(fields.get("start") for _, fields in rows)
        if has_times and all(fields.keys() >= _TIMED for _, fields in rows):
            return Outputs(timed=_collect_pieces(rows))
        return _collect(rows)

    return read_table


def _fields_of(path: Path, rows: Iterable[parsing.Row]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for row in rows:
        where = f"{path}:{row.line}"
        if isinstance(row.content, parsing.RecordError):
            raise DataError(f"{where}: {row.content}")
        is_guarded = path.suffix.lower() != ".jsonl"
        cells = row.content.items()
        yield where, {name: strip_guard(cell) for name, cell in cells} if is_guarded else row.content


def _collect_pieces(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, list[Segment]]:
    """Return the pieces of recordings of a table as `antiphon export --format tsv` writes it."""
    timed: dict[str, list[Segment]] = {}
    for where, fields in rows:
        pieces = timed.setdefault(str(fields["recording"]), [])
        if fields["start"] == fields["text"] == "":  # nothing was written of it
            continue
        try:
            times = {name: float(fields[name]) for name in ("start", "end")}
            pieces.append(Segment(**times, text=fields["text"], speaker=fields.get("speaker") or None))
        except ValueError:
            raise DataError(f"{where}: expected start and end in seconds, and a text, found others") from None
    return timed


def _collect(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Outputs:
    """Return texts by id, with their segments where a row has such with times."""
    outputs = Outputs()
    for where, fields in rows:
        names = [next((name for name in known if name in fields), None) for known in (IDS, TEXTS)]
        if None in names:
            raise DataError(
                f"{where}: expected an id ({', '.join(IDS[:4])} ...) and a text ({', '.join(TEXTS[:3])} "
                f"...), found {', '.join(map(str, fields)) or 'nothing'}"
            )
        key, text = (fields[str(name)] for name in names)
        key = str(key) if names[0] in ("id", "utterance_id", "utterance") else Path(str(key)).stem
        if not isinstance(text, str):
            raise DataError(f"{where}: expected a text, found {json.dumps(text)[:40]}")
        if key in outputs.by_id:
            raise DataError(f"{where}: expected one text each, found a second of {key!r}")
        outputs.by_id[key] = " ".join(text.split())
        if isinstance(segments := fields.get("segments"), list):
            with suppress(KeyError, TypeError, ValueError, AttributeError):  # others than ours
                outputs.segments[key] = read_segments(segments)
    return outputs


def _read_json(path: Path) -> Outputs:
    """Read segments with times (WhisperX, openai-whisper, whisper.cpp), or samples (a log of inspect_ai)."""
    try:
        values = parse_json(_text_of(path))
    except ValueError as error:
        raise DataError(f"{path}: expected JSON, found {to_one_line(error)}") from None
    if isinstance(values, list):
        rows = ((f"{path}: item {n}", row) for n, row in enumerate(values, 1) if isinstance(row, dict))
        return _collect(rows)
    if isinstance(values, dict) and isinstance(values.get("samples"), list):
        samples = ((f"{path}: sample {n}", _sample(row)) for n, row in enumerate(values["samples"], 1))
        return _collect(samples)
    if isinstance(values, dict) and isinstance(values.get("segments"), list):
        try:
            pieces = read_segments(values["segments"])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise DataError(f"{path}: expected segments with start, end and text, found others") from None
        return Outputs(timed={name_without_language(path): pieces})
    if isinstance(values, dict) and values and all(isinstance(text, str) for text in values.values()):
        return Outputs(by_id={str(key): " ".join(text.split()) for key, text in values.items()})
    raise DataError(f"{path}: expected segments, samples, or texts by id, found other JSON")


def _sample(row: Any) -> Mapping[str, Any]:
    """Return id and text of a sample of inspect_ai."""
    output = row.get("output", {}) if isinstance(row, dict) else {}
    return {"id": row.get("id"), "text": output.get("completion") if isinstance(output, dict) else output}


def _read_subtitles(path: Path) -> Outputs:
    parse = parse_vtt if path.suffix.lower() == ".vtt" else parse_srt
    text = _text_of(path)
    cues = parse(str(path), text) if text.strip() not in ("", "WEBVTT") else []  # of silence
    pieces = [Segment(start=c.start, end=c.end, text=c.text, speaker=c.speaker) for c in cues]
    return Outputs(timed={name_without_language(path): pieces})


def _read_trn(path: Path) -> Outputs:
    """Read sclite's transcripts: ``the text (id)``."""
    rows = list[tuple[str, Mapping[str, Any]]]()
    for where, line in _numbered(path):
        match = _TRN.fullmatch(line)
        if match is None:
            raise DataError(f"{where}: expected a text and its id such as (talk-1), found {line!r:.60}")
        rows.append((where, match.groupdict()))
    return _collect(rows)


def _read_ctm(path: Path) -> Outputs:
    """Read NIST's words: ``recording channel start duration word``."""
    timed: dict[str, list[Segment]] = {}
    for where, line in _numbered(path):
        parts = line.split()
        try:
            start, length = float(parts[2]), float(parts[3])
            word = Word(start=start, end=start + length, text=parts[4])
            piece = Segment(start=word.start, end=word.end, text=word.text, words=(word,))
            timed.setdefault(parts[0], []).append(piece)
        except (IndexError, ValueError):
            raise DataError(
                f"{where}: expected recording, channel, start, duration, word, found {line!r:.60}"
            ) from None
    return Outputs(timed=timed)


def _read_stm(path: Path) -> Outputs:
    """Read NIST's segments: ``recording channel speaker start end <label> text``."""
    timed: dict[str, list[Segment]] = {}
    for where, line in _numbered(path):
        parts = line.split(maxsplit=5)
        try:
            text = re.sub(r"^<[^>]*>\s*", "", parts[5]) if len(parts) > 5 else ""
            piece = Segment(start=float(parts[3]), end=float(parts[4]), text=text, speaker=parts[2])
        except (IndexError, ValueError):
            raise DataError(
                f"{where}: expected recording, channel, speaker, start, end, text, found {line!r:.60}"
            ) from None
        timed.setdefault(parts[0], []).append(piece)
    return Outputs(timed=timed)


def _numbered(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(_text_of(path).split("\n"), 1):
        if line.strip() and not line.startswith(_COMMENT):
            yield f"{path}:{number}", line


READERS: dict[str, Callable[[Path], Outputs]] = {
    ".txt": _read_lines,
    ".jsonl": _read_rows(parsing.read_json_rows),
    ".csv": _read_rows(parsing.read_csv_rows),
    ".tsv": _read_rows(parsing.read_tsv_rows),
    ".json": _read_json,
    ".srt": _read_subtitles,
    ".vtt": _read_subtitles,
    ".trn": _read_trn,
    ".ctm": _read_ctm,
    ".stm": _read_stm,
}
"""Ending of a file -> what reads it."""
