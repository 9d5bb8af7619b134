"""Training: parallel text -> a translation model in the store -> its scores.

The model is `store:KEY` for every flow.
"""

from __future__ import annotations

from prefect.client.schemas.objects import State

from components.run_record import RunRecord
from flows import preflight
from flows.definition import define_flow
from flows.parameters.train import TrainParameters, pipeline
from flows.preflight import Need
from flows.run import Run
from flows.system import run_models
from tasks.run_artifacts import publish_run
from tasks.stages import model_scores


def needs(parameters: TrainParameters) -> list[Need]:
    """The checks of the training and of its test data."""
    languages = parameters.source_language, parameters.target_language
    nodes = preflight.needs_of_pipeline(pipeline(parameters), parameters.store, parameters.seed)
    return [*nodes, preflight.need_of_test_data(parameters.test, *languages)]


@define_flow(TrainParameters)
def train(parameters: TrainParameters) -> RunRecord | State[RunRecord]:
    """Train a translation model, keep it in the store and score it."""

    def after(run: Run) -> None:
        arguments = (parameters.training(), run.stages["training"], parameters.test, parameters.beam_size)
        scores = model_scores.score_model(*arguments, run.store_url)
        run.metrics = model_scores.read_scores(run.add(scores))
        publish_run(run.record)

    return run_models("train", parameters, pipeline(parameters), needs(parameters), after)
