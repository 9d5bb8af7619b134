"""What the presets ask that make a model: the data to score it on."""

from __future__ import annotations

from pydantic import Field

from flows.parameters.base import FlowParameters


class ScoredParameters(FlowParameters):
    """The data that a finished model is scored on."""

    test: str | None = Field(
        None, title="Test data", description="data set to score the finished model on; never selects"
    )
    beam_size: int = Field(5, ge=1, le=64, description="of the search when scoring")


class ScoredExpertsParameters(ScoredParameters):
    """The same of a model of several languages."""

    test: str | None = Field(
        None,
        title="Test data",
        description="parallel text to score on; never selects; the development data if empty",
    )
    test_limit: int | None = Field(
        None, ge=1, description="only the first so many sentences of the test data"
    )
