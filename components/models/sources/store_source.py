"""``store:KEY`` and ``store:RUN``: models that a run made."""

from __future__ import annotations

from pathlib import Path

from typing_extensions import override

from components.models.adapters import ADAPTERS
from components.models.packages.wheels import ProgressCallback
from components.models.sources.source import Source
from components.models.sources.store import find_model_key, names_run, stage_folder, stage_model
from components.records import Checkpoint


class StoreSource(Source):
    """Models in the finished stages of a store, verified against their digests."""

    holds_adapters = True

    @override
    def resolve(self, name: str, store: str | None, on_progress: ProgressCallback) -> Checkpoint:
        return stage_model(name, store)

    @override
    def check(self, name: str, store: str | None) -> None:
        stage_model(name, store)

    @override
    def pin(self, name: str, store: str | None) -> str:
        key, at, step = name.partition("@")
        return f"{find_model_key(key, store)}{at}{step}" if names_run(key, store) else name

    @override
    def configuration_folder(self, name: str, store: str | None) -> Path | None:
        return stage_folder(name, store, "config.json", *(row.file for row in ADAPTERS.values()))[0]
