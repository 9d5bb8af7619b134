"""Parameters of the flow `experts`, and the pipeline that they stand for."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from components.experts.config import ExpertsConfig
from components.pipeline.pipeline import Pipeline
from components.pipeline.reader import read_pipeline
from flows.parameters.base import FlowParameters


class ExpertsParameters(ExpertsConfig, FlowParameters):
    """What can be set on the training of an expert model, and what to record its routing and score it on."""

    model_config = ConfigDict(title="Experts")

    test: str | None = Field(
        None,
        title="Test data",
        description="parallel text to score on; never selects; the development data if empty",
    )
    test_limit: int | None = Field(
        None, ge=1, description="only the first so many sentences of the test data"
    )
    beam_size: int = Field(5, ge=1, le=64, description="of the search when scoring")

    def training(self) -> ExpertsConfig:
        """The settings that decide the model."""
        return ExpertsConfig.model_validate(self.model_dump(include=set(ExpertsConfig.model_fields)))


def pipeline(parameters: ExpertsParameters) -> Pipeline:
    """``training``, which gives the model."""
    values = parameters.training().model_dump(exclude={"kind"})
    return read_pipeline({"nodes": {"training": {"kind": "train_experts", **values}}})
