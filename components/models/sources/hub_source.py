"""``hub:ORG/NAME[@REVISION]``: models of the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from typing_extensions import override

from components.models.packages.wheels import ProgressCallback
from components.models.sources.source import Source
from components.records import Checkpoint

# ruff: noqa: PLC0415 - its imports need the hub's client


class HubSource(Source):
    """Repositories of the hub: their safetensors, JSON and tokenizer files."""

    @override
    def resolve(self, name: str, store: str | None, on_progress: ProgressCallback) -> Checkpoint:
        from components.models.sources.hub import hub_model

        return hub_model(name, on_progress)

    @override
    def check(self, name: str, store: str | None) -> None:
        from components.models.sources.hub import check_repository

        check_repository(name)

    @override
    def has(self, name: str) -> bool:
        from components.models.sources.hub import has_repository

        return has_repository(name)

    @override
    def configuration_folder(self, name: str, store: str | None) -> Path | None:
        from components.models.sources.hub import configuration_folder

        return configuration_folder(name)
