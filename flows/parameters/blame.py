"""Parameters of the flow `blame`."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from flows.parameters.base import FlowParameters


class BlameParameters(FlowParameters):
    """What can be set on a blame."""

    model_config = ConfigDict(title="Blame")

    run: str = Field(description="a finished run of any pipeline that translates speech or revises a draft")
    segments: str | None = Field(
        None,
        title="Gold segments",
        description="the same recordings cut by hand (offset, duration): their cutting is blamed too",
    )
