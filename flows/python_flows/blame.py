"""Error attribution by oracle substitution: reruns the downstream stages of a run on corrected texts.

`antiphon blame RUN`.
"""

from __future__ import annotations

from prefect.client.schemas.objects import State

from components.errors import ConfigError
from components.pipeline.pipeline import DATA
from components.run_record import RunRecord
from flows.definition import define_flow
from flows.parameters.analyses import BlameParameters
from flows.python_flows.finished_runs.error_attribution import add_blame
from flows.python_flows.finished_runs.reopened_run import reopen_run
from flows.registry import pipeline_of
from flows.run import final_state
from tasks.stages import report


@define_flow(BlameParameters)
def blame(parameters: BlameParameters) -> RunRecord | State[RunRecord]:
    """Attribute the loss of a finished run to its stages; adds the stage ``blame`` to a copy of it."""
    record, run = reopen_run(parameters.run, "blame", parameters)
    with run:
        pipeline = pipeline_of(record)
        if DATA not in run.stages:
            raise ConfigError(f"run {record.name}: expected a run over a data set, found none")
        human_scores = {str(name): score for name, score in parameters.human_scores.items()}
        add_blame(run, pipeline, parameters.segments, human_scores)
        report.publish_run_report(run.record, run.store)
    return final_state(run.record)
