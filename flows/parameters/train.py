"""Parameters of the flow `train`, and the pipeline that they stand for."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from components.pipeline.pipeline import Pipeline
from components.pipeline.reader import read_pipeline
from components.training.fine_tuning_config import FineTuningConfig
from flows.parameters.base import FlowParameters


class TrainParameters(FineTuningConfig, FlowParameters):
    """What can be set on a training: the settings of the training itself, and what to score it on."""

    model_config = ConfigDict(title="Training")

    test: str | None = Field(
        None, title="Test data", description="data set to score the finished model on; never selects"
    )
    beam_size: int = Field(5, ge=1, le=64, description="of the search when scoring")

    def training(self) -> FineTuningConfig:
        """The settings that decide the model."""
        return FineTuningConfig.model_validate(self.model_dump(include=set(FineTuningConfig.model_fields)))


def pipeline(parameters: TrainParameters) -> Pipeline:
    """``training``, which gives the model."""
    values = parameters.training().model_dump()
    node = {"kind": "train", "learner": values.pop("kind"), **values}
    return read_pipeline({"nodes": {"training": node}})
