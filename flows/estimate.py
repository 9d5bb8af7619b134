"""Fitting an estimator: texts with references -> how sure one may be of such texts, kept in the store.

The estimator is `store:RUN` for every node of kind `estimate`.
"""

from __future__ import annotations

from prefect.client.schemas.objects import State

from components.run_record import RunRecord, StageRef
from flows.definition import define_flow
from flows.parameters.estimate import EstimateParameters, data_of_run, load_source_run, pipeline
from flows.system import Hooks, run_system


@define_flow(EstimateParameters)
def estimate(parameters: EstimateParameters) -> RunRecord | State[RunRecord]:
    """Fit an estimator on development data, keep it in the store and say how good it is on held-out folds."""
    return run_system("estimate", parameters, pipeline(parameters), HOOKS)


def _data_of_run(parameters: EstimateParameters) -> StageRef | None:
    return None if parameters.run is None else data_of_run(load_source_run(parameters))


HOOKS = Hooks(data=_data_of_run)
