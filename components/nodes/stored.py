"""``stored``: texts of a finished run's stage, in place of a node that computes."""

from __future__ import annotations

from pydantic import Field

from components.errors import StoreError
from components.nodes.kind import Kind
from components.nodes.site import Component, NodeSettings, Site
from components.storage.stage_plan import StagePlan
from components.storage.store import Store


class StoredSettings(NodeSettings):
    """The stage."""

    key: str = Field(pattern=r"^[0-9a-f]{64}$", description="key of a finished stage of the store")


class Stored(Kind[StoredSettings]):
    """Gives finished texts in the language of what they were made from, or in the language ``to``."""

    name = "stored"
    summary = "a finished run's texts"
    settings = StoredSettings
    reads = ("speech", "text")
    may_translate = True

    def version(self, settings: StoredSettings) -> str:
        """Return a constant: the version stands in the stage's own plan."""
        return "stored"

    def find_stored_plan(self, settings: StoredSettings, site: Site) -> StagePlan:
        """Return the plan of the finished stage."""
        return Store(site.store).load_plan(settings.key)

    def list_length(self, settings: StoredSettings) -> int:
        """Return that there may be several hypotheses, as in the run that computed them."""
        return 2

    def build(self, settings: StoredSettings, site: Site) -> Component:
        """Refuse to compute.

        Raises:
            StoreError: always: the stage is gone or changed.
        """
        raise StoreError(
            f"{site.name}: expected stage {settings.key[:12]}… as it was planned, found it gone or changed"
        )
