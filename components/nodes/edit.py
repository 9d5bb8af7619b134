"""``edit``: manual corrections from a file; every other text passes as it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path

from pydantic import Field

from components.digests import file_digest
from components.errors import ConfigError, DataError
from components.nodes.kind import Component, Item, Kind, NodeSettings, Site
from components.records import Hypothesis, NBest, Outcome

VERSION = 1
"""Version of how corrections are read and applied."""
COLUMNS = {"id", "text"}


class EditSettings(NodeSettings):
    """The file of corrections."""

    file: str = Field(description="corrections: .tsv with a header line, or .jsonl; id and text")


class Edit(Kind[EditSettings]):
    """Replaces the texts of some utterances."""

    name = "edit"
    summary = "corrections by hand, from a file"
    settings = EditSettings
    needs_inputs = True

    def version(self, settings: EditSettings) -> str:
        """Return the version of this file."""
        return str(VERSION)

    def files(self, settings: EditSettings) -> dict[str, str]:
        """Return the corrections: their digest is in the stage's key."""
        return {"file": settings.file}

    def check(self, settings: EditSettings, site: Site) -> None:
        """Check that every line of the file is a correction."""
        read_corrections(settings.file)

    def ids_in_settings(self, settings: EditSettings) -> Collection[str]:
        """Return the ids of the utterances that are corrected."""
        return read_corrections(settings.file).keys()

    def build(self, settings: EditSettings, site: Site) -> Component:
        """Return the component, with the file read."""
        texts = read_corrections(settings.file)

        def edit(items: Sequence[Item]) -> list[Outcome]:
            return [_edit(item, texts.get(item.utterance.id), site.name) for item in items]

        return edit


def _edit(item: Item, text: str | None, node: str) -> NBest:
    nbest = next((outcome for outcome in item.inputs.values() if isinstance(outcome, NBest)), None)
    if nbest is not None and text in (None, nbest.best.text):
        return nbest
    text = text if text is not None else item.utterance.text or ""
    words = len(text.split())
    hypothesis = Hypothesis(text=text, score=0.0, n_tokens=words, system=node)
    language = item.utterance.source_language if nbest is None else nbest.language
    return NBest(utterance_id=item.utterance.id, hypotheses=(hypothesis,), language=language)


def read_corrections(file: str) -> dict[str, str]:
    """Return the corrected text by utterance id.

    Raises:
        ConfigError: a line is no correction; the message says where.
    """
    try:
        return _read_corrections(file, file_digest(Path(file)))
    except (OSError, DataError) as error:
        raise ConfigError(f"expected a readable file of corrections, found {error}") from error


@lru_cache(maxsize=8)
def _read_corrections(file: str, digest: str) -> dict[str, str]:
    from components.data import parsing  # noqa: PLC0415 - its package decodes audio

    read = parsing.read_json_rows if file.endswith(".jsonl") else parsing.read_tsv_rows
    texts: dict[str, str] = {}
    for row in read(Path(file)):
        where, fields = f"{file}:{row.line}", row.content
        if isinstance(fields, parsing.RecordError):
            raise ConfigError(f"{where}: {fields}")
        if not fields.keys() >= COLUMNS or not all(isinstance(fields[name], str) for name in COLUMNS):
            raise ConfigError(f"{where}: expected id and text, found {', '.join(fields) or 'nothing'}")
        if fields["id"] in texts:
            raise ConfigError(f"{where}: expected one correction each, found a second of {fields['id']!r}")
        texts[fields["id"]] = fields["text"]
    return texts
