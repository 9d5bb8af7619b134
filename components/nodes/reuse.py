"""``stored``: texts of a finished run's stage, in place of a node that computes."""

from __future__ import annotations

from pydantic import Field
from typing_extensions import override

from components.errors import StoreError
from components.nodes.facts import Language, state
from components.nodes.kind import Kind
from components.nodes.node_context import Component, NodeContext, NodeSettings
from components.stage_settings import StageKey


class ReuseSettings(NodeSettings):
    """The stage."""

    key: StageKey = Field(pattern=r"^[0-9a-f]{64}$", description="key of a finished stage of the store")


class Reuse(Kind[ReuseSettings]):
    """Gives finished texts in the language of what they were made from, or in the language ``to``."""

    name = "reuse"
    summary = "a finished run's texts"
    settings = ReuseSettings
    reads = ("speech", "text")
    language = Language.MAY_BE_WRITTEN
    version = "stored"  # that of the code stands in the plan of the stored stage
    # There may be several hypotheses, and estimates, as in the run that computed them.
    stated = state(list_length=2, analyses=("confidence",))

    @override
    def build(self, settings: ReuseSettings, context: NodeContext) -> Component:
        """Refuse to compute.

        Raises:
            StoreError: always: the stage is gone or changed.
        """
        raise StoreError(
            f"{context.name}: expected stage {settings.key[:12]}… as it was planned, found it gone or changed"
        )
