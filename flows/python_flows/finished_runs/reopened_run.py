"""Finished runs to which a stage is added."""

from __future__ import annotations

from pydantic import ValidationError

from components.errors import ConfigError
from components.run_record import RunRecord
from components.storage.store import Store
from flows.parameters.base import FlowParameters
from flows.registry import flow_named
from flows.run import Run


def reopen_run(name: str, stage: str, parameters: FlowParameters) -> tuple[RunRecord, Run]:
    """Load a finished run, and open a copy of it to which ``stage`` will be added.

    Args:
        name: of the finished run.
        stage: what will be added.
        parameters: name the copy; NAME-STAGE if they do not.

    Raises:
        ConfigError: the run has no pipeline, or its parameters are no longer those of its flow.
    """
    finished_run = Store(parameters.store).load_run(name)
    if not finished_run.pipeline.nodes:
        raise ConfigError(
            f"run {name}: {stage} expects a run of a pipeline, found one of {finished_run.flow}"
        )
    model = flow_named(finished_run.flow).parameters
    overrides = {
        "name": parameters.name or f"{name}-{stage}"[:100],
        "replace": parameters.replace or parameters.name is None,  # the name is this run's and the stage's
        "store": parameters.store,
    }
    try:
        run = Run(finished_run.flow, model.model_validate({**finished_run.parameters, **overrides}))
    except ValidationError as error:
        fault = " ".join(str(error).splitlines()[1:3])
        raise ConfigError(f"run {name}: {fault}; run the flow again") from None
    for ref in finished_run.stages:
        run.add(ref.model_copy(update={"reused": True}))
    run.metrics, run.notes, run.pipeline = (
        dict(finished_run.metrics),
        list(finished_run.notes),
        finished_run.pipeline,
    )
    return finished_run, run
