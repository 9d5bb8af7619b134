"""Texts that are in the store already: a finished run's stage in the place of a node that computes."""

from __future__ import annotations

from pydantic import Field

from components.errors import StoreError
from components.nodes.kind import Component, Kind, NodeSettings, Site
from components.storage.stage_plan import StagePlan
from components.storage.store import Store


class StoredSettings(NodeSettings):
    """Which stage."""

    key: str = Field(pattern=r"^[0-9a-f]{64}$", description="key of a finished stage of the store")


class Stored(Kind[StoredSettings]):
    """Finished texts in the language of what they were made from, or in the language ``to``."""

    name = "stored"
    summary = "a finished run's texts"
    settings = StoredSettings
    reads = ("speech", "text")
    may_translate = True

    def version(self, settings: StoredSettings) -> str:
        """Stands in the stage's own plan."""
        return "stored"

    def stored_plan(self, settings: StoredSettings, site: Site) -> StagePlan:
        """The plan of the finished stage."""
        return Store(site.store).load_plan(settings.key)

    def build(self, settings: StoredSettings, site: Site) -> Component:
        """Nothing computes it. Raises StoreError."""
        raise StoreError(
            f"{site.name}: expected stage {settings.key[:12]}… as it was planned, found it gone or changed"
        )
