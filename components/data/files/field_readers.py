"""Fields of a manifest's row -> values of the right type.

Every reader raises ``RecordError`` for a value that it does not take; null
is the same as a field that is absent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from components.data.files.drafts import DraftSegment, References
from components.data.files.parsing import Fields, RecordError


def read_string(fields: Fields, name: str) -> str | None:
    """Return a text of valid Unicode; None where it is absent."""
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise RecordError("bad field", f"expected text in {name!r}, found {_abbreviate(value)}; quote it")
    return _refuse_surrogates(name, value)


def _refuse_surrogates(name: str, value: str) -> str:
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise RecordError(
            "bad field", f"expected Unicode text in {name!r}, found a lone surrogate; repair it"
        )
    return value


def read_required(fields: Fields, name: str) -> str:
    """Return a text that must be there and not be empty."""
    value = read_string(fields, name)
    if not value:
        raise RecordError("bad field", f"expected a field {name!r}, found none; add it")
    return value


def read_first(fields: Fields, names: Sequence[str]) -> str | None:
    """Return the first of some fields that holds a text; None where none does."""
    return next((text for name in names if (text := read_string(fields, name))), None)


def read_seconds(fields: Fields, name: str) -> float | None:
    """Return a number of seconds, finite; None where it is absent."""
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RecordError(
            "bad field", f"expected seconds in {name!r}, found {_abbreviate(value)}; give a number"
        )
    if not (abs(value) < 1e9 and math.isfinite(value)):
        raise RecordError(
            "bad field", f"expected finite seconds in {name!r}, found {_abbreviate(value)}; repair it"
        )
    return float(value)


def read_references(fields: Fields, name: str) -> References:
    """Return a text, a list of texts, or either of them per language; empty texts count as absent."""
    value = fields.get(name)
    if value is None:
        return {}
    by_language = value if isinstance(value, dict) else {"": value}
    references: References = {}
    for language, texts in by_language.items():
        listed = texts if isinstance(texts, list) else [] if texts is None else [texts]
        if not all(isinstance(text, str) for text in listed):
            raise RecordError(
                "bad field", f"expected texts in {name!r}, found {_abbreviate(texts)}; quote them"
            )
        references[language] = [_refuse_surrogates(name, text) for text in listed if text.strip()]
    return {language: texts for language, texts in references.items() if texts}


def read_segments(fields: Fields, name: str) -> tuple[DraftSegment, ...]:
    """Read objects with start and end, a transcript, references and a speaker; () where absent."""
    value = fields.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        expected = f"expected a list of objects with start and end in {name!r}"
        raise RecordError("bad field", f"{expected}, found {_abbreviate(value)}; see docs/use/data.md")
    segments = []
    for number, entry in enumerate(value, 1):
        try:
            segments.append(_read_segment(entry))
        except RecordError as error:
            raise RecordError(error.reason, f"segment {number} of {len(value)}: {error}") from error
    return tuple(segments)


def _read_segment(entry: Fields) -> DraftSegment:
    unknown = sorted(entry.keys() - {"start", "end", "transcript", "references", "speaker"})
    if unknown:
        expected = "expected start, end, transcript, references and speaker"
        raise RecordError("bad field", f"{expected}, found {_abbreviate(unknown[0])}; leave it out")
    start, end = read_seconds(entry, "start"), read_seconds(entry, "end")
    if start is None or end is None:
        missing = "start" if start is None else "end"
        raise RecordError("bad field", f"expected seconds in {missing!r}, found none; add it")
    return DraftSegment(
        start,
        end,
        read_string(entry, "transcript"),
        read_references(entry, "references"),
        read_string(entry, "speaker"),
    )


def _abbreviate(value: object) -> str:
    try:
        text = ascii(value)
    except (RecursionError, ValueError):
        return f"a {type(value).__name__}"
    return text if len(text) <= 40 else text[:37] + "..."
