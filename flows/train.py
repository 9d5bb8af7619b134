"""Training: parallel text -> a translation model in the store -> its scores.

The model is `store:KEY` for every flow. `python -m flows.train` takes the options of `antiphon run train`.
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import ConfigDict, Field

from components.records import RunRecord
from components.training.config import TrainingConfig
from flows import preflight
from flows.parameters import FlowParameters, flat
from flows.preflight import Need
from flows.running import Run, ending, name_flow_run


class TrainParameters(TrainingConfig, FlowParameters):
    """What can be set on a training: the settings of the training itself, and what to score it on."""

    model_config = ConfigDict(title="Training")

    test: str | None = Field(
        None, title="Test data", description="parallel text to score the finished model on; never selects"
    )
    beam_size: int = Field(5, ge=1, le=64, title="Beam size", description="of the search when scoring")

    def training(self) -> TrainingConfig:
        """The settings that decide the model."""
        return TrainingConfig.model_validate(self.model_dump(include=set(TrainingConfig.model_fields)))


def needs(parameters: TrainParameters) -> list[Need]:
    """What the stages need before anything is computed."""
    from components.training import checks

    config, test = parameters.training(), parameters.test
    found = [Need("training", lambda: checks.check(config, parameters.store))]
    return [*found, preflight.tested(test, config.source_language, config.target_language)]


@flow(name="train", persist_result=False, flow_run_name=name_flow_run)
@flat(TrainParameters)
def train(parameters: TrainParameters) -> RunRecord | State[RunRecord]:
    """Train a translation model, keep it in the store and score it."""
    from tasks import training

    preflight.refuse(needs(parameters))
    config = parameters.training()
    run = Run("train", parameters)
    with run:
        trained = run.add(training.train(config, run.store_url))
        run.notes.append(f"model store:{trained.key}")
        scored = run.add(
            training.score(config, trained, parameters.test, parameters.beam_size, run.store_url)
        )
        run.metrics = training.read_scores(scored)
        training.publish(run.record)
    return ending(run.record)


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("train")
