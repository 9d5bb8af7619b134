"""``served:NAME``: models behind OpenAI-compatible endpoints (docs/families/served.md)."""

from __future__ import annotations

from typing_extensions import override

from components.models.packages.wheels import ProgressCallback
from components.models.sources.source import Source
from components.records import Checkpoint

# ruff: noqa: PLC0415 - its imports are an extra's


class ServedSource(Source):
    """Models that a server computes."""

    is_elsewhere = True

    @override
    def resolve(self, name: str, store: str | None, on_progress: ProgressCallback) -> Checkpoint:
        from components.models.sources.served import served_model

        return served_model(name)

    @override
    def check(self, name: str, store: str | None) -> None:
        from components.models.sources.served import check_served

        check_served(name)

    @override
    def summarize(self, checkpoint: Checkpoint) -> dict[str, str] | None:
        from components.models.sources.served import summarize_served

        return summarize_served(checkpoint)
