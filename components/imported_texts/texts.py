"""``texts``: what another system made of the data, from a file: ``{kind: texts, file: whisperx.json}``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from pydantic import Field
from typing_extensions import override

from components.errors import ConfigError, DataError
from components.files.digests import file_digest
from components.imported_texts.formats import read_outputs
from components.imported_texts.outputs import Outputs
from components.nodes.facts import Language, state
from components.nodes.kind import Kind
from components.nodes.node_context import Component, Item, NodeContext, NodeSettings
from components.records import Hypothesis, NBest, Outcome, Quarantined
from components.stage_settings import FilePath


class TextsSettings(NodeSettings):
    """Where the texts are."""

    file: FilePath = Field(
        description="outputs of another system: .jsonl, .csv, .tsv, .json (WhisperX, openai-whisper, "
        "inspect_ai), .srt, .vtt, .trn, .ctm or .stm"
    )


class Texts(Kind[TextsSettings]):
    """Gives every utterance the text that another system made of it."""

    name = "texts"
    summary = "texts that another system made, from a file"
    settings = TextsSettings
    reads = ("speech", "text")
    language = Language.MAY_BE_WRITTEN
    stated = state(features=(), costs=False)
    version = "4"  # 1 lost the times, 2 names that are not in NFC, 3 kept the guards of our tables

    @override
    def check(self, settings: TextsSettings, context: NodeContext) -> None:
        """Check that the file can be read, and that its texts have ids or times."""
        try:
            outputs = load_outputs(settings.file)
        except (OSError, DataError) as error:
            raise ConfigError(f"file: {error}") from None
        if outputs.lines:
            raise ConfigError(
                f"file: expected texts with ids or times, found lines in {settings.file}; "
                "antiphon runs import-outputs joins lines to the data"
            )

    @override
    def build(self, settings: TextsSettings, context: NodeContext) -> Component:
        """Return the component, with the texts read."""
        outputs = load_outputs(settings.file)

        def give(items: Sequence[Item]) -> list[Outcome]:
            return [_give(item, outputs, context.name) for item in items]

        return give

    @override
    def check_failed(self, settings: TextsSettings, first: Quarantined) -> None:
        """Refuse a file that has no text of any utterance."""
        names = list(load_outputs(settings.file).texts())[:3]
        raise DataError(
            f"{settings.file}: expected texts of the data, such as of {first.utterance_id!r}, found "
            f"those of {', '.join(map(repr, names)) or 'nothing'}"
        )


def load_outputs(file: str) -> Outputs:
    """Return the outputs in a file, read once while it stays as it is."""
    return _load(file, file_digest(Path(file)))


@lru_cache(maxsize=4)
def _load(file: str, digest: str) -> Outputs:
    return read_outputs(file)


def _give(item: Item, outputs: Outputs, node: str) -> Outcome:
    output = outputs.output_of(item.utterance)
    if output is None:
        detail = "expected a text of it among the outputs, found none"
        return Quarantined(utterance_id=item.utterance.id, stage=node, reason="no output", detail=detail)
    text, segments = output
    best = Hypothesis(text=text, score=0.0, n_tokens=len(text.split()), system=node, segments=segments)
    return NBest(utterance_id=item.utterance.id, hypotheses=(best,))
