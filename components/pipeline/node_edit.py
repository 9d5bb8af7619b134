"""What says that a node's texts were corrected by hand."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class NodeEdit(BaseModel):
    """The corrections of one node's texts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    node: str = Field(title="Node", description="the node whose texts were corrected")
    corrections: str = Field(
        title="Corrections",
        pattern=r"^[0-9a-f]{64}$",
        description="key of the stage that holds them, as antiphon edit writes it",
    )
