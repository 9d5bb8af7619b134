"""Training: parallel text -> a translation model in the store -> its scores.

The model is `store:KEY` for every flow. `python -m flows.train` takes the options of `antiphon run train`.
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from components.records import RunRecord
from flows import preflight
from flows.parameters import flat
from flows.preflight import Need
from flows.running import Run, ending, name_flow_run
from flows.train_parameters import TrainParameters


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
