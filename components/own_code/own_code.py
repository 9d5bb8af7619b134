"""What functions and programs of users share: what they read and give, and the names that they see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self, TypeVar

from pydantic import Field, model_validator
from typing_extensions import override

from components.nodes.facts import Carry, Facts, Items, Language, state
from components.nodes.kind import Kind
from components.nodes.site import NodeSettings, Site
from components.own_code.plain_records import Gives


class OwnCodeSettings(NodeSettings):
    """What the user's code gives."""

    gives: Gives = Field(
        "text", description="text; table (a number or a way each); speech (an audio file each)"
    )
    ways: tuple[str, ...] = Field((), description="of a table: the ways for when: NODE.WAY")

    @property
    def sees_names(self) -> bool:
        """Whether its records name the nodes that they come from."""
        return True

    @model_validator(mode="after")
    def _ways_are_of_a_table(self) -> Self:
        if self.ways and self.gives != "table":
            raise ValueError(f"ways: expected gives: table, found {self.gives}")
        return self


S = TypeVar("S", bound=OwnCodeSettings)


class OwnCode(Kind[S]):
    """Runs code of the user on plain records."""

    reads = ("speech", "text", "table")
    inputs = (1, 16)
    items = Items(Carry.SOURCE)
    language = Language.MAY_BE_WRITTEN
    stated = state(analyses=("confidence",))  # its texts may have estimates

    @override
    def facts(self, settings: S) -> Facts:
        return replace(super().facts(settings), gives=settings.gives, ways=settings.ways, device=None)

    @override
    def parameters(self, settings: S, site: Site) -> dict[str, Any]:
        called = {"called": list(site.called)} if settings.sees_names else {}
        return super().parameters(settings, site) | called
