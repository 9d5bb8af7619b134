"""Data sets: manifests, parallel text, named sets and audio files -> utterances.

>>> from components.data import load
>>> dataset = load("sample", limit=2)
>>> len(dataset.utterances)
2

A record that is wrong is quarantined with its file and line, and the rest goes on; a source that cannot be
read at all is one :class:`~components.errors.DataError`. :data:`FORMATS` is the table of manifest formats.
"""

from __future__ import annotations

from components.data.dataset import Dataset, content_digest
from components.data.files.drafts import Draft
from components.data.files.format import Format
from components.data.files.formats import FORMATS
from components.data.files.named_sets import NAMED
from components.data.loading import begins_written, check, check_audio, from_audio, load

__all__ = [
    "FORMATS",
    "NAMED",
    "Dataset",
    "Draft",
    "Format",
    "begins_written",
    "check",
    "check_audio",
    "content_digest",
    "from_audio",
    "load",
]
