"""Tables of texts: a row per stretch with times, or per utterance where there are none. TSV and Parquet."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from components.export.format import Format
from components.export.format_names import require_library
from components.export.recording_text import RecordingText, TextPart
from components.text.table_cells import guard_cell, join_cells
from components.text.text_confidence import ESTIMATES

COLUMNS = {
    "recording": "name of the recording, or of the text",
    "id": "of the utterance",
    "segment": "number of the stretch in its utterance, from 1; empty without times",
    "start": "seconds into the recording",
    "end": "seconds into the recording",
    "language": "of the text",
    "speaker": "as the data, or a diarizer, say",
    "text": "what the node gave",
    "source": "what it was translated from",
    "confidence": "geometric mean of the tokens' probabilities, 0 to 1",
    "quarantined": "why there is no text",
}
"""Columns and what stands in them; those of :data:`~components.text.text_confidence.ESTIMATES` may follow."""

Row = dict[str, str | int | float | None]


def columns_of(texts: Sequence[RecordingText]) -> list[str]:
    """Return the columns of several recordings, with the estimates that any of their texts has."""
    there = {name for text in texts for part in text.parts for name in part.estimates}
    return [*COLUMNS, *(name for name in ESTIMATES if name in there)]


def rows_of(texts: Sequence[RecordingText]) -> Iterator[Row]:
    """Yield the rows of several recordings, with all of their columns."""
    columns = columns_of(texts)
    for text in texts:
        for part in text.parts:
            yield from _rows_of_part(text.name, part, columns)


def _rows_of_part(recording: str, part: TextPart, columns: Sequence[str]) -> Iterator[Row]:
    common: Row = {
        **dict.fromkeys(columns),
        **part.estimates,
        "recording": recording,
        "id": part.utterance.id,
        "language": part.language,
        "speaker": part.utterance.speaker,
    }
    if part.quarantined is not None:
        reason = f"{part.quarantined.stage}: {part.quarantined.reason}: {part.quarantined.detail}"
        yield {**common, "text": "", "source": part.source, "quarantined": reason}
    elif not part.segments:
        yield {**common, "text": part.text, "source": part.source, "confidence": part.confidence}
    else:
        for number, (segment, source) in enumerate(zip(part.segments, part.segment_sources, strict=True), 1):
            yield {
                **common,
                "segment": number,
                "start": round(segment.start, 3),
                "end": round(segment.end, 3),
                "speaker": segment.speaker or part.utterance.speaker,
                "text": segment.text,
                "source": part.source and source,
                "confidence": segment.confidence,
            }


def encode_tsv(texts: Sequence[RecordingText]) -> bytes:
    """A table for spreadsheets: UTF-8, a header, tabs; an apostrophe before what they would compute."""
    lines = [join_cells(columns_of(texts))]
    lines += [join_cells(_cell(value) for value in row.values()) for row in rows_of(texts)]
    return ("\n".join(lines) + "\n").encode()


def _cell(value: str | float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    return guard_cell(str(value))


def encode_parquet(texts: Sequence[RecordingText]) -> bytes:
    """Return the same table with types.

    Raises:
        ConfigError: pyarrow is not installed.
    """
    require_library("parquet")
    import pyarrow as pa  # noqa: PLC0415 - an extra
    from pyarrow import parquet  # noqa: PLC0415

    numbers = dict.fromkeys(("start", "end", "confidence", *ESTIMATES), pa.float64())
    types = {"segment": pa.int32(), **numbers}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in columns_of(texts)])
    content = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(list(rows_of(texts)), schema=schema), content)
    return content.getvalue()


TSV = Format("a table for spreadsheets", lambda texts, *_: encode_tsv(texts), is_table=True)
PARQUET = Format("a typed table", lambda texts, *_: encode_parquet(texts), is_table=True)
