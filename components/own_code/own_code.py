"""What functions and programs of users share: what they read and give, and the names that they see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self, TypeVar

from pydantic import Field, model_validator
from typing_extensions import override

from components.nodes.facts import Carry, Facts, Items, Language, state
from components.nodes.kind import Kind
from components.nodes.node_context import NodeContext, NodeSettings
from components.own_code.plain_records import OutputType


class OwnCodeSettings(NodeSettings):
    """What the user's code gives."""

    output: OutputType = Field(
        "text", description="text; table (a number or a way each); speech (an audio file each)"
    )
    branches: tuple[str, ...] = Field((), description="of a table: the branches for when: NODE.BRANCH")

    @property
    def own_libraries(self) -> tuple[str, ...]:
        """Distributions whose versions decide the outputs."""
        return ()

    @property
    def own_device(self) -> str | None:
        """The device that it computes on; None for one that nobody knows."""
        return None

    @property
    def sees_names(self) -> bool:
        """Whether its records name the nodes that they come from."""
        return True

    @model_validator(mode="after")
    def _ways_are_of_a_table(self) -> Self:
        if self.branches and self.output != "table":
            raise ValueError(f"branches: expected output: table, found {self.output}")
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
        return replace(
            super().facts(settings),
            output=settings.output,
            branches=settings.branches,
            libraries=settings.own_libraries,
            device=settings.own_device,
        )

    @override
    def parameters(self, settings: S, context: NodeContext) -> dict[str, Any]:
        display_names = {"display_names": list(context.display_names)} if settings.sees_names else {}
        return super().parameters(settings, context) | display_names
