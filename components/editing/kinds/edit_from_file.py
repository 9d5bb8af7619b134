"""``edit``: manual corrections, from a file or from the store; every other text passes as it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator
from typing_extensions import override

from components.editing.correction import (
    EDITED,
    Correction,
    correct,
    latest_by_id,
    read_stored_corrections,
)
from components.errors import ConfigError, DataError
from components.files.digests import file_digest
from components.nodes.facts import Carry, Facts, Items, state
from components.nodes.kind import Kind
from components.nodes.node_context import Component, Item, NodeContext, NodeSettings
from components.pipeline.steps.editing import ROLE
from components.records import Hypothesis, NBest, Outcome
from components.stage_settings import FilePath, TableOf
from components.text.table_cells import nfc, strip_guard

VERSION = 5
"""Version of how corrections are read and applied."""
COLUMNS = {"id", "text"}


class EditFromFileSettings(NodeSettings):
    """Where the corrections are."""

    file: FilePath | None = Field(
        None, description="corrections: .tsv with a header line, or .jsonl; id and text"
    )
    corrections: Annotated[str | None, TableOf()] = Field(
        None, description="instead of a file: a node that gives corrections"
    )

    @model_validator(mode="after")
    def _check_single_source(self) -> EditFromFileSettings:
        if (self.file is None) == (self.corrections is None):
            raise ValueError("expected file or corrections, one of the two")
        return self


def _ids_in(file: str) -> Collection[str]:
    return read_corrections(file).keys()


class EditFromFile(Kind[EditFromFileSettings]):
    """Replaces the texts of some utterances."""

    name = "edit_from_file"
    summary = "corrections by hand, from a file or from antiphon edit"
    settings = EditFromFileSettings
    stated = state(features=(EDITED,))
    items = Items(Carry.INPUTS)
    version = str(VERSION)

    @override
    def facts(self, settings: EditFromFileSettings) -> Facts:
        facts = super().facts(settings)
        return (
            facts if settings.file is None else replace(facts, utterance_ids=partial(_ids_in, settings.file))
        )

    @override
    def check(self, settings: EditFromFileSettings, context: NodeContext) -> None:
        """Check that every line of the file is a correction."""
        self.facts(settings).utterance_ids()

    @override
    def build(self, settings: EditFromFileSettings, context: NodeContext) -> Component:
        """Return the component, with the corrections read."""
        corrections = _read_corrections_of(settings, context)

        def edit(items: Sequence[Item]) -> list[Outcome]:
            return [_edit(item, corrections.get(item.utterance.id), context.name) for item in items]

        return edit


def _read_corrections_of(settings: EditFromFileSettings, context: NodeContext) -> Mapping[str, Correction]:
    if settings.file is None:
        return latest_by_id(read_stored_corrections(context.table_folder(ROLE)))
    origin = {"node": context.of[0], "by": "the pipeline", "at": "", "file": Path(settings.file).name}
    return {
        key: Correction(id=key, text=text, **origin) for key, text in read_corrections(settings.file).items()
    }


def _edit(item: Item, correction: Correction | None, node: str) -> NBest:
    nbest = item.nbest
    if nbest is not None and _changes_nothing(nbest.best, correction):
        return nbest
    text = correction.text if correction is not None else item.utterance.text or ""
    segments = None if correction is None else correction.segments
    written = item.utterance.text or ""
    as_written = Hypothesis(text=written, score=0.0, n_tokens=0, system=node, segments=item.segments)
    present = as_written if nbest is None else nbest.best
    language = item.utterance.source_language if nbest is None else nbest.language
    hypothesis = correct(present, text, item.utterance.source_language, segments, node)
    return NBest(utterance_id=item.utterance.id, hypotheses=(hypothesis,), language=language)


def _changes_nothing(present: Hypothesis, correction: Correction | None) -> bool:
    if correction is None:
        return True
    return correction.text == present.text and correction.segments in (None, present.segments)


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
    from components.data.files import parsing  # noqa: PLC0415 - its package decodes audio

    is_json = file.endswith(".jsonl")
    read = parsing.read_json_rows if is_json else parsing.read_tsv_rows
    texts: dict[str, str] = {}
    for row in read(Path(file)):
        where, fields = f"{file}:{row.line}", row.content
        if isinstance(fields, parsing.RecordError):
            raise ConfigError(f"{where}: {fields}")
        if not fields.keys() >= COLUMNS or not all(isinstance(fields[name], str) for name in COLUMNS):
            raise ConfigError(f"{where}: expected id and text, found {', '.join(fields) or 'nothing'}")
        utterance_id, text = (nfc(fields[c] if is_json else strip_guard(fields[c])) for c in ("id", "text"))
        if utterance_id in texts:
            raise ConfigError(f"{where}: expected one correction each, found a second of {utterance_id!r}")
        texts[utterance_id] = text
    return texts
