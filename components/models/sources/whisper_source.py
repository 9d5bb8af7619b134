"""``whisper:NAME``: models of openai-whisper by their own names."""

from __future__ import annotations

from typing_extensions import override

from components.models.packages.wheels import ProgressCallback
from components.models.references import unknown_reference_error
from components.models.sources.source import Source
from components.records import Checkpoint


class WhisperSource(Source):
    """openai-whisper's models, verified by the digests in their addresses."""

    @override
    def resolve(self, name: str, store: str | None, on_progress: ProgressCallback) -> Checkpoint:
        from components.models.sources.openai_whisper import openai_model  # noqa: PLC0415 - imports torch

        return openai_model(name, on_progress)

    @override
    def check(self, name: str, store: str | None) -> None:
        references = self.list_references()
        if f"whisper:{name}" not in references:
            raise unknown_reference_error(f"whisper:{name}", "model of openai-whisper", references)

    @override
    def list_references(self) -> tuple[str, ...]:
        from components.compute.openai_whisper import ADDRESSES  # noqa: PLC0415 - imports torch

        return tuple(f"whisper:{name}" for name in ADDRESSES)
