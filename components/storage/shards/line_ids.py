"""Ids of stored lines, found without parsing the record: they stand first in it."""

from __future__ import annotations

import re

from components.files.json_text import parse_json

_ID_FIRST = re.compile(rb'\{(?:"quarantined":\{)?"(?:utterance_id|id)":("[^"\\]*(?:\\.[^"\\]*)*")')


def id_of_line(line: bytes) -> str:
    """Return the id of the utterance that a stored line belongs to."""
    found = _ID_FIRST.match(line)
    assert found is not None, line
    return unquote(found[1])


def unquote(quoted: bytes) -> str:
    """Return the text that a string of JSON stands for."""
    return str(parse_json(quoted)) if b"\\" in quoted else quoted[1:-1].decode("utf-8", "surrogatepass")
