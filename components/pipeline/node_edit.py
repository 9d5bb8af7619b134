"""What says that a node's texts were corrected by hand."""

from __future__ import annotations

from pydantic import Field

from components.stage_settings import Settings


class NodeEdit(Settings):
    """The corrections of one node's texts."""

    node: str = Field(title="Node", description="the node whose texts were corrected")
    corrections: str = Field(
        title="Corrections",
        pattern=r"^[0-9a-f]{64}$",
        description="key of the stage that holds them, as antiphon edit writes it",
    )
